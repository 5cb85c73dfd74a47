"""Methods that make images."""
