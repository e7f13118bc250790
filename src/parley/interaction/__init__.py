"""Run agents on all images of a split: data loading, rollouts, per-image metrics and transcripts."""
