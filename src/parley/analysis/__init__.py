"""Analyse the results of all runs and write tables: summaries, comparisons, language metrics and claims."""
