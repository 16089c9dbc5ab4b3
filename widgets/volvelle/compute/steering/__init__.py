"""What to do to states, where, and what to hold beside it."""
