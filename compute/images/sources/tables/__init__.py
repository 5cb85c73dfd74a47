"""Images in a column of a table."""
