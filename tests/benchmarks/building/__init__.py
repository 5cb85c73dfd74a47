"""Building a store: its readers, its grid, how its cost grows."""
