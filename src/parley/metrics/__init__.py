"""Metrics of recorded dialogues, computed by small functions on arrays.

- Reading files: `conversations` reads messages.hdf5; `records` reads the files that training and evaluation write.
- Metrics per exchange: `exchanges` (accuracy, rank, likelihood, change of messages). Per class: `classification`.
- Messages as a language: `information`, `topographic` and `disentanglement`. `registry` lists the metrics of
  language.csv, and `language` computes them.
- Interventions: `influence`. Agreement between seeds: `agreement`. Tests and intervals: `permutation`, `statistics`.
- `analysis` analyses the dialogues of one run and seed; `pooling` combines the seeds of a run.
"""
