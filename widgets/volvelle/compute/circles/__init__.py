"""Angles, planes and circles of labelled directions, with their nulls."""
