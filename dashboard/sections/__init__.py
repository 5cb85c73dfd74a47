"""Parts of one page, in a file or folder of its name."""
