"""Reads of runs, cached for all sessions, and what the server keeps for visitors."""
