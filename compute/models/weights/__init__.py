"""From a file of weights to a network that has them: what the file holds, which of it is meant, under which
names."""
