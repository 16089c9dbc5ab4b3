"""Arrays in, arrays out: no model, no notebook, no files."""
