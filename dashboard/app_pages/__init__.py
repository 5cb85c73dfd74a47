"""One script for each page, and the shell that runs them."""
