"""Reports on two runs over the same images."""
