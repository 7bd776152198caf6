"""From moments to results: plain Python, one row per comparison."""
