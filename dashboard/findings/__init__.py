"""Findings: pinned views with a note and their numbers, as text files that a team keeps in git."""
