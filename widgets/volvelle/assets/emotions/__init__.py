"""Emotion stimuli, situations and Russell's angles, with their card."""
