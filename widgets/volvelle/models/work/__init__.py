"""Jobs, and the one thread that runs them."""
