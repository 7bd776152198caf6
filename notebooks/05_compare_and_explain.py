# Databricks notebook source
# MAGIC %md
# MAGIC # 5 · Which model, and why this item
# MAGIC Holds the champion against the other candidates on the test, and one list against the model
# MAGIC that made it. Reads only, without Spark.

# COMMAND ----------

# Parameters
ENV = "databricks"
LAKE = None
SETTINGS = []
USER = None  # whose list is explained; None: the first with one

# COMMAND ----------

import pandas as pd

from sparkperso import open_lake

lake = open_lake(LAKE, ENV)
champion = lake.champion()
test = champion.document["test"]

# COMMAND ----------

# MAGIC %md
# MAGIC Every model's figures for the same users, on the part that no choice has seen; the model that
# MAGIC did best on the folds is the challenger.

# COMMAND ----------

columns = [test["metric"], "map_at_10", "recall_at_10", "mrr", "coverage_at_10", "novelty_at_10"]
figures = pd.DataFrame(test["metrics"]).T[columns]
display(figures.sort_values(test["metric"], ascending=False))

# COMMAND ----------

# MAGIC %md
# MAGIC The challenger's gain over each, paired by user: proven where the interval lies above zero.

# COMMAND ----------

display(pd.DataFrame(test["gains"]).T.sort_values("mean"))

# COMMAND ----------

# MAGIC %md
# MAGIC How well users are served by the length of their history.

# COMMAND ----------

buckets = pd.DataFrame(test["buckets"][test["challenger"]]).T
display(buckets)

# COMMAND ----------

# MAGIC %md
# MAGIC One list. Each place has a reason; `explain` has all of it.

# COMMAND ----------

lists = lake.pandas("gold/recommendations", ["user_id", "reason"])
# A model of popularity alone leads nobody by their own items.
is_led = lists.reason.str.startswith("because")
user = USER or lists[is_led if is_led.any() else ~is_led].user_id.iloc[0]
places = lake.recommend(user, n=5)
display(pd.DataFrame(places))

# COMMAND ----------

# MAGIC %md
# MAGIC What the models of the blend add to the score of a place that the user's own items lead to.

# COMMAND ----------

led = [place for place in places if str(place.reason).startswith("because")]
why = lake.explain(user, (led or places)[0].item_id)
display(pd.DataFrame(why.parts))

# COMMAND ----------

display(pd.DataFrame(why.history).head(8))

# COMMAND ----------

# MAGIC %md
# MAGIC An item that the user has is not listed, and says so.

# COMMAND ----------

print(*(lake.explain(user, known.item_id) for known in why.history[:1]))
