"""Train the agents: training data, training loop, optimiser, checkpoints and their selection, resuming."""
