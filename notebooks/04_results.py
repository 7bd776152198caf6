# Databricks notebook source
# MAGIC %md
# MAGIC # 4 · What came out
# MAGIC Reads only: the lists of a few users with the titles of their items, and how the runs went.

# COMMAND ----------

# Parameters
ENV = "databricks"
LAKE = None
SETTINGS = []

# COMMAND ----------

from sparkperso.notebook import Suite

suite = Suite(spark, ENV, LAKE, SETTINGS)
titles = suite.table("silver/items").select("item_id", "title", "category")

# COMMAND ----------

lists = suite.table("gold/recommendations").join(titles, "item_id", "left")
columns = ["user_id", "rank", "item_id", "title", "score", "strategy", "reason"]
display(lists.orderBy("user_id", "rank").select(*columns).limit(60))

# COMMAND ----------

# MAGIC %md
# MAGIC What is popular, for those without a list of their own.

# COMMAND ----------

popular = suite.table("gold/popular_items").join(titles, "item_id", "left")
display(popular.orderBy("scope", "rank").limit(20))

# COMMAND ----------

# MAGIC %md
# MAGIC Who is in which segment now.

# COMMAND ----------

display(suite.table("gold/segments").groupBy("segmentation", "segment_id", "label").count())

# COMMAND ----------

# MAGIC %md
# MAGIC The runs, and which table versions each read and wrote.

# COMMAND ----------

runs = suite.table("ops/runs").orderBy("started_at")
display(runs.select("job", "status", "duration_seconds", "as_of", "summary"))

# COMMAND ----------

display(suite.table("ops/lineage").orderBy("run_id", "direction", "table_name"))
