"""Interactions, histories and folds as DataFrames."""
