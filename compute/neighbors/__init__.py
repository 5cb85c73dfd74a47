"""The nearest neighbours of every image among all others: exact, or approximate with a measured recall."""
