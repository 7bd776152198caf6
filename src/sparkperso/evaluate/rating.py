"""Errors of predicted ratings, in the units of the ratings; lower is better.

As Spark's RegressionEvaluator has them, but for rows without a prediction, which are left out and
counted.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DECIMALS = 6


def rmse() -> Column:
    """Aggregate: √ mean (prediction - rating)², over rows with both; null without such rows.

    >>> pairs = [(3.0, 4.0), (5.0, 2.0), (1.0, None)]
    >>> rows = spark.createDataFrame(pairs, "rating double, prediction double")
    >>> round(rows.agg(rmse()).first()[0], 4)
    2.2361
    """
    return F.sqrt(F.avg(F.pow(_error(), F.lit(2))))


def mae() -> Column:
    """Aggregate: mean |prediction - rating|, over rows with both; null without such rows.

    >>> pairs = [(3.0, 4.0), (5.0, 2.0), (1.0, None)]
    >>> rows = spark.createDataFrame(pairs, "rating double, prediction double")
    >>> rows.agg(mae()).first()[0]
    2.0
    """
    return F.avg(F.abs(_error()))


def rating_metrics(predictions: DataFrame) -> dict[str, float]:
    """Returns rmse, mae and dropped_share of rows with `rating` and `prediction` (null: cold).

    One aggregation; rounded to 6 decimals. Errors are NaN when no row has a prediction;
    dropped_share is the share of rows without one, which the errors do not cover.
    """
    dropped = F.avg(F.col("prediction").isNull().cast("double"))
    named = {"rmse": rmse(), "mae": mae(), "dropped_share": dropped}
    row = predictions.agg(*(F.round(c, DECIMALS).alias(n) for n, c in named.items())).first()
    values = row.asDict() if row else dict.fromkeys(named)
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _error() -> Column:
    return F.col("prediction") - F.col("rating")
