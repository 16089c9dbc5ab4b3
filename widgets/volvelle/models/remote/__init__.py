"""Models that run on a server: requests, states, answers, failures."""
