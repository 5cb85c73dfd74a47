"""Verdicts: what people say of suspects, as lines of text that a team keeps in git."""
