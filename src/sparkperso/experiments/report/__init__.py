"""Reports of experiments: one HTML file each, that needs nothing beside it."""
