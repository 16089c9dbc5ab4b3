"""Where things lie in a model, and the one place that runs a trace."""
