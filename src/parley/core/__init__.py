"""Utilities for files, tables, errors and terminal output, which do not depend on the game or its data."""
