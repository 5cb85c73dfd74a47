"""Reports on a run: a picture, the numbers behind it, its rows and the recipe of all three, one file each."""
