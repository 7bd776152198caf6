"""What lies outside: Spark's session, the lake, MLflow, Java."""
