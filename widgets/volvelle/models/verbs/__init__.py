"""What a model is asked for: read, write, predict, score."""
