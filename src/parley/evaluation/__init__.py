"""Evaluate trained agents: metrics on every split, messages, attention weights, interventions, single images."""
