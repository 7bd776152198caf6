"""A shop whose people's tastes are known: what they do with what they are shown, and the truth.

`world` makes people and items, `calendar` says who comes when, `behaviour` what they do with what a
shop front shows, `truth` what an analysis should find. `services` is the shop front of the real
collector and API, `direct` one within the process. Plain Python: no Spark.
"""
