"""Features on a text."""
