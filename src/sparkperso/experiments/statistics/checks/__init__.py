"""Whether an experiment may be believed: shares of units, the past, trends, segments."""
