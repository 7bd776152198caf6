"""Tables of monitoring: KPIs by day, and how far they are told."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

KPIS_DAILY = TableSpec(
    name="gold/kpis_daily",
    grain="one KPI on one day, of everybody, or of those that the other columns name: one of them "
    "at a time, and null where all count",
    key=(
        "day",
        "kpi",
        "segmentation",
        "segment",
        "experiment",
        "variant",
        "channel",
        "strategy",
        "model_version",
    ),
    writer="monitor",
    stats_columns=("day", "kpi"),
    columns=(
        required("day", "date", "day of the events; of retention the first of the two", "UTC"),
        required("kpi", "string", "name of conf/metrics"),
        Column("segmentation", "string", "segmentation of the segment"),
        Column("segment", "string", "users who were in it when the day began"),
        Column("experiment", "string", "experiment of the variant"),
        Column(
            "variant",
            "string",
            "users whom the experiment showed this one alone on the day, from then on",
        ),
        Column("channel", "string", "events of this channel"),
        Column("strategy", "string", "events of lists and slots that it made, with model_version"),
        Column("model_version", "string", "events of lists that the model made, with strategy"),
        Column(
            "numerator",
            "double",
            "sum over the users (of shares: how many users); null of quantiles",
            "the metric's",
        ),
        required("denominator", "double", "what it is taken by: users, or the sum of a ratio's"),
        required("value", "double", "numerator by denominator, or the quantile", "the metric's"),
    ),
)

BOOKMARKS = TableSpec(
    name="ops/bookmarks",
    grain="one table that one reader reads by what came since its last run",
    key=("reader", "table_name"),
    writer="monitor",
    columns=(
        required("reader", "string", "what follows the table: kpis"),
        required("table_name", "string", "logical name, <layer>/<table>"),
        required("delta_version", "bigint", "version up to which it was read"),
        required("as_of", "timestamp", "time up to which its rows counted", "UTC"),
        required("fingerprint", "string", "hash of what is made of it: another one begins anew"),
        required("run_id", "string", "identifier of the run"),
    ),
)
