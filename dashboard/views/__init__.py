"""What a page shows, as a value, to and from its address."""
