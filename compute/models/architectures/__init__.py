"""Networks by name: the embedded demos', the one that a package carries, and the libraries'."""
