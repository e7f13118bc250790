"""Claims: what was said of the game, put to the test on an experiment's runs, and the verdict."""
