"""Neighbours, layouts and matches of two sets of directions."""
