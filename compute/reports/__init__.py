"""Reports on a run: a picture, the numbers behind it, its rows and the recipe of all three.

The dashboard's downloads and the command line call the same functions, so they give the same bytes.
"""
