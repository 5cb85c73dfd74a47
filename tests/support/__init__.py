"""Builders and servers that several tests use; no test in here."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's folder."""
