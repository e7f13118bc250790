"""Provenance: a record of every job, and the commands that trace, verify and pack an experiment's files."""
