"""Circles found in a model, doubted, read with and turned."""
