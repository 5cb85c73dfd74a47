"""A torch module as a graph: traced, folded or hooked, and its receptive fields."""
