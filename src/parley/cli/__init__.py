"""The commands that are not stages of the workflow, a module each: `add` says what it takes, `run` does it.

What they do lies in the library. They import it only when they run: torch takes seconds to load, and `--help` and
a mistake in an argument should not wait for it.
"""
