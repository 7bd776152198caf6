"""A segmentation as rows of gold tables, and its history."""
