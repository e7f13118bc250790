"""The `parley` commands, by topic: `add` adds a command's argument parser, `run` runs the command.

Modules import torch and other slow libraries inside `run`, so that `--help` and argument errors appear at once.
"""
