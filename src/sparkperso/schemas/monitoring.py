"""Tables of monitoring: KPIs by day, what checks found, and the alerts that follow."""

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
        Column("n_users", "bigint", "users that it tells of, who may be fewer than what they did"),
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

CHECKS = TableSpec(
    name="ops/checks",
    grain="what one check found of one subject in one run of monitor",
    key=("run_id", "check", "subject"),
    writer="monitor",
    columns=(
        required("run_id", "string", "identifier of the run"),
        required("check", "string", "volume, kpi, staleness, …: docs/monitoring.md"),
        required("subject", "string", "what it is about, such as event_type=click"),
        required("status", "string", "ok, warning, critical, or unknown: too little to tell"),
        Column("value", "double", "the number that was judged", "the check's"),
        Column("threshold", "double", "limit that it passed, or the next one", "the check's"),
        required("message", "string", "the figures, a sentence"),
        required("to_do", "string", "what to do about it; empty where nothing is"),
        required("as_of", "timestamp", "time that the run looked back from", "UTC"),
        required("checked_at", "timestamp", "when it was looked at", "UTC"),
    ),
)

ALERTS = TableSpec(
    name="ops/alerts",
    grain="one subject that is out of the ordinary, from the first run that saw it to the last",
    key=("alert_id",),
    writer="monitor",
    columns=(
        required("alert_id", "string", "hash of check, subject and first_seen"),
        required("check", "string", "volume, kpi, staleness, …: docs/monitoring.md"),
        required("subject", "string", "what it is about"),
        required("severity", "string", "warning or critical, as last seen"),
        required("status", "string", "open or resolved"),
        Column("value", "double", "the number that was judged, as last seen", "the check's"),
        Column("threshold", "double", "limit that it passed", "the check's"),
        required("message", "string", "the figures, a sentence; of a resolved one, those since"),
        required("to_do", "string", "what to do about it"),
        required("first_seen", "timestamp", "when monitor first found it", "UTC"),
        required("last_seen", "timestamp", "when monitor last found it", "UTC"),
        Column("resolved_at", "timestamp", "when monitor found it in order", "UTC"),
        required("run_id", "string", "run that last changed the row"),
    ),
)

DRIFT_REFERENCE = TableSpec(
    name="ops/drift_reference",
    grain="one bin of a distribution that later ones are held against",
    key=("subject", "bin"),
    writer="monitor",
    columns=(
        required("subject", "string", "a feature, scores, or segments with their segmentation"),
        required("reference", "string", "what it was taken for: another champion takes another"),
        required("bin", "int", "number of the bin, from 0; of numbers the last holds missing ones"),
        Column("upper", "double", "greatest value in it; null for the last two, and for names"),
        Column("name", "string", "name that it counts, of segments"),
        required("n", "bigint", "rows in it"),
        required("as_of", "timestamp", "time that the distribution was of", "UTC"),
        required("run_id", "string", "run that took it"),
    ),
)

ALERT_DELIVERIES = TableSpec(
    name="ops/alert_deliveries",
    grain="one message about one alert to one channel",
    key=("delivery_id", "sent_at"),
    writer="alerts send",
    columns=(
        required("delivery_id", "string", "identifier of the message, the same at every attempt"),
        required("alert_id", "string", "alert of ops/alerts"),
        required("channel", "string", "channel of monitoring.alerts; of a mail with its addressee"),
        required("kind", "string", "opened, raised (to critical), repeated or resolved"),
        required("severity", "string", "severity of the alert when it was sent"),
        required("sent_at", "timestamp", "when it was sent", "UTC"),
        required("outcome", "string", "delivered or failed; what failed is tried by the next run"),
        required("message", "string", "what was answered, without addresses"),
    ),
)
