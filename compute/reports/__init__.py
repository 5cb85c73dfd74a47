"""What can be taken along of a run: pictures, tables and numbers, made from its rows and from live results.

The dashboard's downloads and the command line call the same functions, so they give the same bytes.
"""
