"""How receptive fields pass through a network's operations, one axis of the image at a time."""
