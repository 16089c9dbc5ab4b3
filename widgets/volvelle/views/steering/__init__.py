"""Steering controls, texts side by side, dose-response curves."""
