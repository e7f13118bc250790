"""Figures of an experiment: each function takes plain data and returns a matplotlib figure.

`registry` says which figures there are, `style` how they look, `draw` makes all of an experiment's files.
"""
