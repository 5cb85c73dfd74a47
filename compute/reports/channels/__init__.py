"""Reports on channels: what one responds to, which respond to an image."""
