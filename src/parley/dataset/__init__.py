"""From an image source to the final splits: class set, candidates, split plan, fetch, deduplication, data card."""
