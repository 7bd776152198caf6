"""Histories, catalogue and attributes in memory, as NumPy arrays."""
