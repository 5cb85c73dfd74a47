"""Methods that show what in an image matters to the network."""
