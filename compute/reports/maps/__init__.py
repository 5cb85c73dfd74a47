"""Reports on all images at once: the map, its grid, the thumbnails that have room on it."""
