"""Sparse autoencoders as arithmetic: encode, decode, keep the largest."""
