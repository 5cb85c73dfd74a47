"""Findings: a view with a note and its numbers, as text that a team keeps in git; does it hold?"""
