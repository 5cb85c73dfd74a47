"""Verifying a store, and clearing it of old runs."""
