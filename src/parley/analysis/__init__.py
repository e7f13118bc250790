"""Analyse the results of all runs and write tables of summaries, comparisons, language metrics and tested claims."""
