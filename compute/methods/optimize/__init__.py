"""The loop under synthesis: parameterise an image, perturb it, regularise it, take a step."""
