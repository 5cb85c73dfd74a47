"""Stores under torture: kills, full disks, damage, readers and writers at once. `make torture`.

Each part is told how often, and gives back an `Outcome`; tests/system/test_torture.py runs short forms.
Those of the random steps stand beside what they test (`test_*_interleaved.py`).
"""
