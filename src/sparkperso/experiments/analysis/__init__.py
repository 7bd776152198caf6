"""From exposures and events to moments of metrics by variant: DataFrames in, few rows out."""
