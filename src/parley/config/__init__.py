"""The experiment's config: the schema, grids of runs, paths, resources, and checks before any job starts."""
