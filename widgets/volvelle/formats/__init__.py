"""Files in and out. One format, one file."""
