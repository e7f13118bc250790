"""Files, tables, errors, terminal output: what knows nothing of the game or its data."""
