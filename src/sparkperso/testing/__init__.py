"""Helpers for tests, shipped: small frames, known truth, comparison of tables."""
