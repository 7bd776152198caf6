"""Segments of segments: a linkage tree over leaf clusters."""
