"""Two dictionaries matched and laid out together."""
