"""Statistics of experiments: pure functions on frozen records of moments, without Spark."""
