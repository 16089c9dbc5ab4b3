"""Texts through a model and a dictionary."""
