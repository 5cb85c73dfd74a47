"""The documentation, and what writes its generated parts and takes its pictures."""
