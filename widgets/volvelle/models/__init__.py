"""The only room that knows nnsight: load, wrap, capture, generate, here or on a server."""
