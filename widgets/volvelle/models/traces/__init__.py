"""The bodies of every trace: what runs inside the model, here or on a server.

Torch, plain Python and nnsight only, no classes, and of volvelle nothing but `volvelle.formulas`:
these two packages are what a server is sent. One body per file, with what it alone calls. Each
body is a function of its own, so that a trace that ends early leaves no value of an earlier one
behind, and takes plain values, lists and tensors.
"""
