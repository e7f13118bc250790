"""Human-readable results of an experiment: figures, the report page and the dialogue browser."""
