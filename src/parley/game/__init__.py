"""The game: two agents, the exchange between them, and what they learn from."""
