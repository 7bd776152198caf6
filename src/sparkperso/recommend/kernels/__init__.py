"""Numerical kernels, compiled: arrays in, arrays out; neither Spark nor pandas."""
