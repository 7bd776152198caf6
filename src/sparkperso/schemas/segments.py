"""Tables of segments: who belongs where now, every change, and what the segments are like."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

LIFTS = "array<struct<category:string, share:double, average:double, lift:double>>"
CHANGES = "array<struct<change:string, segment_id:string, other_id:string, share:double>>"
FLOWS = "array<struct<before:string, now:string, size:bigint>>"
DISTINGUISHING = "array<struct<feature:string, difference:double, value:double, average:double>>"

SEGMENTS = TableSpec(
    name="gold/segments",
    grain="one user in one segment now; an exclusive segmentation holds one row per user",
    key=("user_id", "segment_id"),
    writer="build-segments, stream-segments",
    partition_by=("segmentation",),
    columns=(
        required("user_id", "string", "identifier of the user"),
        required("segment_id", "string", "<segmentation>-<number>"),
        required("segmentation", "string", "name of the segmentation, conf/segments/<name>.yaml"),
        required("exclusive", "boolean", "whether a user has one segment of it at most"),
        required("label", "string", "name of the segment in words"),
        required("kind", "string", "rule, kmeans or hierarchical"),
        Column("distance", "double", "distance to the centre", "scaled feature space"),
        required(
            "model_version", "string", "MLflow run that it came from; live-<run_id> of a stream"
        ),
        required("assigned_at", "timestamp", "when the run assigned it", "UTC"),
    ),
)

PROFILES = TableSpec(
    name="gold/profiles",
    grain="one resolved user",
    key=("user_id",),
    writer="build-profiles",
    columns=(
        required("user_id", "string", "identifier of the user"),
        Column(
            "birth_year",
            "int",
            "year of birth: as declared, else as an identify event said last",
            "year",
        ),
        Column(
            "country",
            "string",
            "country, ISO 3166-1: as declared, else as said, else of the last event",
        ),
        required("attributes", "map<string,string>", "other declared facts"),
        required("consents", "map<string,boolean>", "purpose → agreed to; absent: never asked"),
        required("is_withdrawn", "boolean", "an optional purpose was agreed to and taken back"),
        Column("withdrawn_at", "timestamp", "when that was, of several the last", "UTC"),
        required("segments", "map<string,array<string>>", "segmentation → segment_ids now"),
        required("as_of", "timestamp", "time that consents are told for", "UTC"),
    ),
)

SEGMENT_HISTORY = TableSpec(
    name="gold/segment_history",
    grain="one user entering or leaving one segment",
    key=("user_id", "segment_id", "change", "assigned_at"),
    writer="build-segments, stream-segments",
    change_feed=True,
    columns=(
        required("user_id", "string", "identifier of the user"),
        required("segment_id", "string", "segment entered or left"),
        required("segmentation", "string", "name of the segmentation"),
        required("label", "string", "name of the segment in words when it was entered"),
        required("change", "string", "entered or left"),
        required("as_of", "timestamp", "time of the features that show the change", "UTC"),
        required("model_version", "string", "MLflow run that found it; live-<run_id> of a stream"),
        required("assigned_at", "timestamp", "when the run found the change", "UTC"),
    ),
)

SEGMENTATION_RUNS = TableSpec(
    name="gold/segmentation_runs",
    grain="one run of one segmentation",
    key=("segmentation", "model_version"),
    writer="build-segments",
    columns=(
        required("segmentation", "string", "name of the segmentation"),
        required("kind", "string", "rule, kmeans or hierarchical"),
        required("as_of", "timestamp", "time that the features look back from", "UTC"),
        required("n_users", "bigint", "users that were divided", "users"),
        required("n_segments", "bigint", "segments that were written"),
        Column("n_common", "bigint", "users that were in a segment before too", "users"),
        Column("moved_share", "double", "part of them whose segment is another now", "0 to 1"),
        Column("adjusted_rand_index", "double", "agreement with before; 1: the same, 0: by chance"),
        required("changes", CHANGES, "births, deaths, splits (of other) and merges (into other)"),
        required("flows", FLOWS, "users by segment before and now"),
        required("model_version", "string", "MLflow run that the segments came from"),
        required("assigned_at", "timestamp", "when the run was", "UTC"),
    ),
)

SEGMENT_PROFILES = TableSpec(
    name="gold/segment_profiles",
    grain="one segment",
    key=("segment_id",),
    writer="build-segments",
    columns=(
        required("segment_id", "string", "<segmentation>-<number>; 1 is the largest"),
        required("segmentation", "string", "name of the segmentation"),
        required("kind", "string", "rule, kmeans or hierarchical"),
        required("label", "string", "name of the segment in words, unique in its segmentation"),
        required("sentence", "string", "size and most telling figures in words"),
        required("size", "bigint", "users in the segment", "users"),
        required("share", "double", "part of all users", "0 to 1"),
        required("centre", "map<string,double>", "mean by feature", "the feature's own unit"),
        required("centre_scaled", "map<string,double>", "centre that distances are measured to"),
        required("difference", "map<string,double>", "mean less that of all", "std of all users"),
        required("distinguishing", DISTINGUISHING, "features by size of difference, largest first"),
        Column("scaler_version", "string", "scaling of centre_scaled, see gold/feature_scalers"),
        Column("parent_id", "string", "segment of the level above; null without one"),
        Column("value", "double", "sum of its members' monetary", "currency"),
        Column("previous_size", "bigint", "users at the last run of an earlier as_of", "users"),
        Column("lifts", LIFTS, "categories that members have more of, by lift, largest first"),
        Column("sample_members", "array<string>", "a few members, chosen by a hash"),
        required("as_of", "timestamp", "time that the features look back from", "UTC"),
        required("model_version", "string", "MLflow run that the segments came from"),
    ),
)
