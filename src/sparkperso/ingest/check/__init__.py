"""What a source's file says, held against the first records of its input: without Spark, at once.

`head` reads them, `spark_types` and `expressions` read what the file says, `report` compares. What
only Spark can work out is left to `pipeline.preview`.
"""
