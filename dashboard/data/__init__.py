"""Cached reads of runs, and what visitors keep."""
