"""Metrics of recorded dialogues: small functions on arrays, each with its unit.

- Input: `conversations` reads messages.hdf5, `records` reads what training and evaluation wrote.
- Answers: `ranking`, `classification`, `classes`, `confusion`, `answers`. Decision to stop: `lengths`, `calibration`.
- Messages as a language: `information`, `bits`, `topographic`, `disentanglement`, `context_independence`, `hamming`,
  `entropy`, `components`; `registry` lists the metrics of language.csv and `language` computes them.
- Interventions: `influence`, `flips`. Agreement of seeds: `agreement`, `agreement_nulls`.
- Statistics: `intervals`, `comparison`, `correlation`, `permutation`. One run: `analysis`; its seeds: `pooling`.
"""
