"""What settling the splits is made of: what was fetched, who keeps it, which classes go, and how it is told."""
