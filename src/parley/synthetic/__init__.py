"""Generated images of invented creatures, with which the workflow runs without a network or a data set."""
