"""From a file to what the network takes, and from an array to a picture."""
