# Databricks notebook source
# MAGIC %md
# MAGIC # 1 · From raw events to valid ones
# MAGIC Takes the events of one source into `bronze/events`, `silver/events` and `silver/quarantine`.
# MAGIC Needs the package: `%pip install sparkperso` (without the extra `spark`: the platform has it).

# COMMAND ----------

# Parameters
ENV = "databricks"  # overlay of conf/
LAKE = None  # root folder of the tables; None: what the overlay says
SETTINGS = []  # such as "ingest.max_rejected_share=0.1"
SOURCE = "online_retail"  # conf/sources/<SOURCE>.yaml
PATH = None  # file or folder; None: what the source says

# COMMAND ----------

from sparkperso.notebook import Suite

suite = Suite(spark, ENV, LAKE, SETTINGS)
suite.run("ingest-events", source=SOURCE, path=PATH)

# COMMAND ----------

# MAGIC %md
# MAGIC Received = valid + quarantined + duplicates + refused, exactly; and how often each rule spoke.

# COMMAND ----------

display(suite.table("ops/data_quality").orderBy("received_at", "rule"))

# COMMAND ----------

# MAGIC %md
# MAGIC A valid event, whatever the source looked like.

# COMMAND ----------

display(suite.table("silver/events").orderBy("timestamp", "event_id").limit(20))

# COMMAND ----------

# MAGIC %md
# MAGIC What was rejected is kept, with all reasons.

# COMMAND ----------

display(suite.table("silver/quarantine").select("reasons", "payload").limit(20))
