"""Tabs of the Mistakes page."""
