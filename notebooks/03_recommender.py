# Databricks notebook source
# MAGIC %md
# MAGIC # 3 · The recommender
# MAGIC Candidates are tuned over folds ordered in time; the best is tested once on the latest part,
# MAGIC beside popularity and the champion, and becomes champion only if it is better.

# COMMAND ----------

# Parameters
ENV = "databricks"
LAKE = None
SETTINGS = []

# COMMAND ----------

from sparkperso.notebook import Suite

suite = Suite(spark, ENV, LAKE, SETTINGS)
suite.run("train-recommender")

# COMMAND ----------

# MAGIC %md
# MAGIC A gate that says no comes back under `gate`: the old champion stays; without one the
# MAGIC lists stay as they are, or are popularity's where there are none.

# COMMAND ----------

suite.run("promote-model")

# COMMAND ----------

suite.run("build-recommendations")

# COMMAND ----------

# MAGIC %md
# MAGIC A model is its tables: factors per user and item, under the version that made them.

# COMMAND ----------

display(suite.table("gold/als_item_factors").orderBy("model_version", "item_id").limit(20))
