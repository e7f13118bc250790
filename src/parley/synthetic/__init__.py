"""Generated images of invented creatures, to run the workflow without a network or an external data set."""
