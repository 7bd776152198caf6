"""Scores into lists: eligible items, diversity, the first n, and their judgement."""
