"""`parley status`: which stages of an experiment are done, stale or missing, and why."""
