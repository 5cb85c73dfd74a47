"""The sub-commands of `python -m compute`, one file each."""
