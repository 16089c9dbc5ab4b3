"""Steered runs and dose-response curves, placebos beside them."""
