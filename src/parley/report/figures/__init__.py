"""Figures of an experiment: each function takes plain data and returns a matplotlib figure.

`registry` lists the figures, `results` reads the results of a run, `style` defines colours and fonts, and `draw` and
`overview` write the files.
"""
