"""Questions in SQL to a run's tables: one SELECT, in a process of its own that can't reach anything else."""
