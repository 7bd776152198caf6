# Databricks notebook source
# MAGIC %md
# MAGIC # 2 · Features and segments
# MAGIC What each user did, as numbers as of a time; then groups of users that did alike.

# COMMAND ----------

# Parameters
ENV = "databricks"
LAKE = None
SETTINGS = []

# COMMAND ----------

from sparkperso.notebook import Suite

suite = Suite(spark, ENV, LAKE, SETTINGS)
suite.run("build-features")

# COMMAND ----------

# MAGIC %md
# MAGIC One row per user; `docs/data_dictionary.md` says what each column means, and its unit.

# COMMAND ----------

display(suite.table("gold/user_features").orderBy("user_id").limit(20))

# COMMAND ----------

# MAGIC %md
# MAGIC The parameters of the scaling, kept: a single user can be scaled later without a new fit.

# COMMAND ----------

display(suite.table("gold/feature_scalers").orderBy("scaler_version", "feature"))

# COMMAND ----------

suite.run("build-segments")

# COMMAND ----------

# MAGIC %md
# MAGIC Segments are named by what distinguishes them. Every k that was tried is a run in MLflow,
# MAGIC with the scatter and the heat map of the best.

# COMMAND ----------

profiles = suite.table("gold/segment_profiles").orderBy("segment_id")
display(profiles.select("segment_id", "label", "size", "share", "sentence"))
