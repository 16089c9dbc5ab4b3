"""Readers of arguments, at the door of every public call."""
