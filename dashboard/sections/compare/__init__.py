"""What the Compare page shows of two runs: a module for each tab, with `draw(pair)`."""
