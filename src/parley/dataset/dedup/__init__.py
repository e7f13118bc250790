"""Finalise the splits: read the fetch results, remove duplicates, handle shortages, write splits and counts."""
