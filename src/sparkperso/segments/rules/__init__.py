"""Rules of conf/segments as Spark Columns: one plan for all rules together."""
