"""What the Compare page shows of two runs, a tab a module: `draw(pair)`."""
