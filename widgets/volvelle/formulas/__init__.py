"""torch alone, nothing else of volvelle: used here, and what travels to a server."""
