"""Evaluate trained agents: metrics on every split, messages, attention, interventions, single images."""
