"""Which values inside a network are layers, and how they are read as maps."""
