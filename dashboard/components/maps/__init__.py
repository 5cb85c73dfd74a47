"""Components of all images at once: the scatter plot and the deep zoom."""
