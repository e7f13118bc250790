"""Claims about the game, tested on the runs of an experiment, with a verdict each."""
