"""Figures of an experiment, drawn with matplotlib from plain data.

`registry` lists the figures, `results` reads the results of a run, `curves` and `classes` draw figures of one run,
`style` defines colours and fonts, and `draw` and `overview` write the files.
"""
