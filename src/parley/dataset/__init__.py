"""Build splits from an image source: class set, candidates, split plan, fetching, deduplication, data card."""
