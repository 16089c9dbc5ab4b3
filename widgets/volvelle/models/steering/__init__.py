"""Steers laid out on the rows of a run."""
