"""One script a page, and the shell that runs them."""
