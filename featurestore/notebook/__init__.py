"""What a store, a run, its images and its channels look like in a notebook: HTML that needs nothing else."""
