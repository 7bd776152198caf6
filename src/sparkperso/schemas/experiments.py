"""Tables of experiments: who was shown what, what it did, and what follows."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

EXPERIMENT = "name of conf/experiments; of later versions with `:` and the version"

EXPOSURES = TableSpec(
    name="gold/exposures",
    grain="one unit that an experiment really showed a variant, at its first exposure",
    key=("experiment", "unit"),
    writer="analyze-experiments",
    partition_by=("experiment",),
    columns=(
        required("experiment", "string", EXPERIMENT),
        required("unit", "string", "user_id or anonymous_id, by unit_kind"),
        required("unit_kind", "string", "user or anonymous_id"),
        required("variant", "string", "variant of the first exposure"),
        required("exposed_at", "timestamp", "time of the first exposure", "UTC"),
        Column("decision_id", "string", "decision that was shown, silver/decisions"),
        required(
            "n_variants",
            "int",
            "different variants that the unit was shown; with more than one it is left out",
        ),
    ),
)

EXPERIMENT_RESULTS = TableSpec(
    name="gold/experiment_results",
    grain="one variant against the baseline, in one metric, by one method, in one segment, as of "
    "one time",
    key=("experiment", "metric", "method", "segmentation", "segment", "variant", "as_of"),
    writer="analyze-experiments",
    partition_by=("experiment",),
    columns=(
        required("experiment", "string", EXPERIMENT),
        required("metric", "string", "name of conf/metrics"),
        required("role", "string", "goal, guardrail or other"),
        required(
            "method",
            "string",
            "plain (z, Welch's t or delta method, by kind), cuped, stratified, sequential, "
            "sequential_cuped, bayes, quantile, mann_whitney, bootstrap; of factorial designs "
            "main_effect and interaction",
        ),
        Column("segmentation", "string", "segmentation of the segment; null for everybody"),
        Column(
            "segment",
            "string",
            "segment that units were in when exposed; empty of those in none, null for everybody",
        ),
        required("variant", "string", "variant that is compared; of a factor its level"),
        required("baseline", "string", "variant that it is compared with"),
        required("n", "bigint", "units of the variant"),
        required("n_baseline", "bigint", "units of the baseline"),
        Column("value", "double", "metric of the variant", "the metric's"),
        Column("value_baseline", "double", "metric of the baseline", "the metric's"),
        Column("effect", "double", "difference of the two; with CUPED the adjusted one"),
        Column("effect_low", "double", "lower end of its interval"),
        Column("effect_high", "double", "upper end of its interval"),
        Column("lift", "double", "effect by the baseline's value", "share"),
        Column("lift_low", "double", "lower end of its interval", "share"),
        Column("lift_high", "double", "upper end of its interval", "share"),
        Column(
            "statistic",
            "double",
            "what p_value was read from; of bayes the probability that the variant is better",
        ),
        Column("p_value", "double", "two-sided; of sequential methods valid at every look"),
        Column(
            "p_adjusted",
            "double",
            "p_value corrected for the number of goals and variants, or of segments",
        ),
        Column("srm_p_value", "double", "p of the shares of units being as planned (chi-square)"),
        required("status", "string", "ok, or why something could not be computed"),
        required("as_of", "timestamp", "up to when events count", "UTC"),
    ),
)

EXPERIMENT_SHARES = TableSpec(
    name="gold/experiment_shares",
    grain="one variant of a bandit, for one segment or for everybody else, as it stands now",
    key=("experiment", "segment", "variant"),
    writer="analyze-experiments",
    columns=(
        required("experiment", "string", EXPERIMENT),
        Column("segment", "string", "segment; null for whoever is in none that has rows"),
        required("variant", "string", "variant of the bandit"),
        required(
            "share",
            "double",
            "share of the units that `publish` hands on, in ten thousandths; before any trial the "
            "weight",
            "share",
        ),
        required("error", "double", "how far numerical integration may be off", "share"),
        required("n", "bigint", "trials: a unit, a variant and a day; of ratios what is below"),
        required("successes", "bigint", "trials that succeeded; of ratios what is above"),
        required(
            "n_effective",
            "double",
            "trials that weighted ones are worth: each by the inverse of its variant's share that "
            "day",
        ),
        Column("value", "double", "weighted share of successes; null without trials", "share"),
        Column("value_low", "double", "lower end of its interval of 95 %", "share"),
        Column("value_high", "double", "upper end of its interval of 95 %", "share"),
        required("set_at", "timestamp", "up to when events count", "UTC"),
    ),
)

EXPERIMENT_VERDICTS = TableSpec(
    name="gold/experiment_verdicts",
    grain="one experiment as of one time",
    key=("experiment", "as_of"),
    writer="analyze-experiments",
    columns=(
        required("experiment", "string", EXPERIMENT),
        required("verdict", "string", "ship, stop, keep_running or broken"),
        Column(
            "reason",
            "string",
            "code of the reason, such as goal_better, clock_skew or nobody_exposed; null in rows "
            "written before this column was there",
        ),
        Column("variant", "string", "variant that the verdict speaks of: the one to ship"),
        required("why", "string", "the reason, a sentence"),
        required("sentences", "array<string>", "what each goal and guardrail did, a sentence each"),
        required("warnings", "array<string>", "checks that failed, a sentence each"),
        Column("started_at", "timestamp", "start by its file", "UTC"),
        Column("ends_at", "timestamp", "end by its file", "UTC"),
        required("phase", "string", "draft, scheduled, running, ended or stopped"),
        required("n_units", "map<string,bigint>", "variant → units that count"),
        Column("n_planned", "bigint", "units that the plan asks for, all variants together"),
        required("n_several", "bigint", "units that were shown several variants, left out"),
        Column("srm_p_value", "double", "p of the shares of units being as planned (chi-square)"),
        required("as_of", "timestamp", "up to when events count", "UTC"),
    ),
)
