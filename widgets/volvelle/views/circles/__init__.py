"""Circles as dials."""
