"""Fetch the images of a split plan from the web (through a cache) or from local files, and validate their bytes."""
