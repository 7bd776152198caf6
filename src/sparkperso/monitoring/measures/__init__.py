"""The numbers that checks look at: few, added up by Spark."""
