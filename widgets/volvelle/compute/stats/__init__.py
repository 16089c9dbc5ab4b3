"""Tests that any subject can use: shuffles with a named family, and whether an order closes."""
