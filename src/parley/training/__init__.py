"""Train agents: data, the training loop, checkpoints and their selection."""
