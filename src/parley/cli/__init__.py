"""The `parley` commands, one module per topic: `add` adds a command's argument parser, `run` runs the command.

The modules import torch and other slow libraries inside `run`, so that `--help` and argument errors appear at once.
"""
