"""Metrics of recorded dialogues: small functions on arrays, each with its unit.

- Files: `conversations` reads messages.hdf5, `records` reads what training and evaluation wrote.
- Each exchange: `exchanges` (accuracy, rank, likelihood, change of messages). Each class: `classification`.
- Messages as a language: `information`, `topographic`, `disentanglement`; `registry` lists the metrics of language.csv
  and `language` computes them.
- Interventions: `influence`. Agreement of seeds: `agreement`. Tests and intervals: `permutation`, `statistics`.
- One run and seed: `analysis`; the seeds of a run together: `pooling`.
"""
