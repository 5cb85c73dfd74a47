"""Everything that runs the network: stages over all images (offline) and methods on one image (live)."""
