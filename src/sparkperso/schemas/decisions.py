"""The table of what was decided to show."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

SILVER_DECISIONS = TableSpec(
    name="silver/decisions",
    grain="one list, or one slot, of one answer of the API",
    key=("decision_id", "slot"),
    writer="load-source",
    stats_columns=("timestamp", "event_date"),
    change_feed=True,  # events of decisions that come after them are told anew
    columns=(
        required("decision_id", "string", "the answer; exposure and click events refer to it"),
        required(
            "kind",
            "string",
            "slot, experiments, or the kind of a list: new, again, similar, next, …",
        ),
        Column("slot", "string", "slot of the page, app or mail; null for a list alone"),
        Column("content_id", "string", "content that the slot showed"),
        Column("rule", "string", "rule that chose it; null for tags and for the slot's default"),
        Column("variant", "string", "variant of the content"),
        Column("strategy", "string", "what made the list, or the choice"),
        Column("model_version", "string", "model that made the list"),
        Column("store_version", "string", "version of the serving store that was read"),
        Column("fallback", "string", "why it was not what it should be; null where it was"),
        required("timestamp", "timestamp", "when it was decided", "UTC"),
        Column("user_id", "string", "whom it was for; null without their consent"),
        Column("anonymous_id", "string", "the same, of a browser"),
        required("received_at", "timestamp", "when the run took it in", "UTC"),
        required("event_date", "date", "day of timestamp", "UTC"),
        required(
            "propensity",
            "double",
            "probability of this choice, given what was known: of experiments, of these variants "
            "together among whoever is in them; 1 where nothing is drawn",
        ),
        Column(
            "experiments",
            "map<string,string>",
            "experiment → variant, of those that count what was seen; of a later version the name "
            "has `:` and the version",
        ),
        required("item_ids", "array<string>", "items of the list, in their order"),
        Column(
            "item_propensities",
            "array<double>",
            "probability of each item of the list in its place, over all variants that could be "
            "drawn; null or empty where it is that of the choice",
        ),
        required("ingest_batch", "string", "identifier of the batch of input"),
    ),
)
