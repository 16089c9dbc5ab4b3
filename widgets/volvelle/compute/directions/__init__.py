"""Points of a model, directions at them, and directions from pairs of texts."""
