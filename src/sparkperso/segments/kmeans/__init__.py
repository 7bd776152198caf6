"""k-means: the search of k, the gap statistic, the centres."""
