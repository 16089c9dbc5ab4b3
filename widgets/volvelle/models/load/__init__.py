"""From a name, a folder or a wrapped model to a `Model`."""
