"""Which variant a unit is given: plain Python, the same in Spark and in the browser."""
