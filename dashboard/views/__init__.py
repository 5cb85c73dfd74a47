"""A page's state as a value, to and from its address."""
