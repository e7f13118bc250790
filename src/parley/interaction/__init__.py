"""Run agents over a split: data, rollout, per-example metrics, transcripts."""
