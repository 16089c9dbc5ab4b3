"""What runs inside the model; with `volvelle.formulas`, all that travels to a server."""
