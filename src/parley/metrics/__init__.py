"""Measures of recorded conversations: small functions on arrays, each with its unit.

`conversations` reads messages.hdf5; `ranking`, `lengths`, `entropy`, `classes`, `components` and
`correlation` measure;
`information`, `bits`, `topographic`, `disentanglement` and `context_independence` measure messages as a language,
`calibration` the decision to stop, `classification` the guesses;
`analysis` puts the measures of one run together; `pooling` and `intervals` bring the seeds of a run together, and
`comparison` compares two runs; `influence` measures what disturbed messages change, and
`agreement` whether seeds agree.
"""
