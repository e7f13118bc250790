"""From the files of all runs to tables: summaries, comparisons, language metrics, claims."""
