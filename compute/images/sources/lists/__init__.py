"""Images that a list names."""
