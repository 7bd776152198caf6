"""What all segmentations share: population, result, names, lineage."""
