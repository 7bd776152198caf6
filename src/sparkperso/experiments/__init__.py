"""Experiments: who sees which variant, and what it did."""
