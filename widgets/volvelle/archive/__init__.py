"""Results as files: their fields are the format, and they are written whole or not at all."""
