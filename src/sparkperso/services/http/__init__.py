"""The HTTP kit that services share: bounds, limits, problems, logs, metrics."""
