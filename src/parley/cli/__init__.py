"""The `parley` commands, one module per topic: `add*` functions add argument parsers, `run*` functions run commands.

Slow libraries such as torch are imported inside `run*` functions, so that `--help` and argument errors appear at once.
"""
