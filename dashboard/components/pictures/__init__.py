"""Components of one picture: before and after, and a box that is drawn on it."""
