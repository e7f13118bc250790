"""Finalise the splits: read the fetch results, remove duplicates, handle shortages, and write splits and counts."""
