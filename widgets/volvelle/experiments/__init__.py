"""The verbs: a model and compute make a result one can print, plot and save."""
