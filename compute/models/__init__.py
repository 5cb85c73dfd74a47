"""What a person names and uses: Model, its weights, its classes, and objectives on it."""
