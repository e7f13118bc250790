"""The command `parley status`, which reports the stages of an experiment that are done, stale or missing, and why."""
