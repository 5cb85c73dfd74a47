"""Parts of the Triage page."""
