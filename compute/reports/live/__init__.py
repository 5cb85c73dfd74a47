"""Live methods as reports: what one is run on, what it made, and the network of a run that it is run with."""
