"""Files, tables, errors and terminal output: utilities that do not depend on the game or its data."""
