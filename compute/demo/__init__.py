"""The demo: its images, its networks, how they were trained, and their weights."""
