"""Consent, checked a second time: by what was decided until a record was taken.

The rule is `sparkperso.core.consent`'s, in Columns. Only names of subjects, purposes and times are
joined, by hash; what comes out is the short list of refused records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.consent import ConsentConfig
from sparkperso.core.consent import NECESSARY, REQUIRED
from sparkperso.ingest.classify import valid_events
from sparkperso.ingest.consents import SCOPE, SUBJECTS, consent_rows, decision, scoped, state_after
from sparkperso.ingest.key_lists import NUMBER, maybe_broadcast
from sparkperso.ingest.rekey import older_keys, under_current_key
from sparkperso.platform.frames import cached
from sparkperso.privacy.keys import Keys


@dataclass(frozen=True)
class ConsentChecked:
    """Records without the content of the refused, and how many were refused for each purpose."""

    records: DataFrame
    by_purpose: Mapping[str, int] = field(default_factory=dict)


@contextmanager
def with_refusals(
    records: DataFrame,
    decided: DataFrame | None,
    policy: ConsentConfig,
    keys: Keys | None = None,
    *,
    state_decisions: bool = True,
) -> Iterator[ConsentChecked]:
    """Gives classified `records`, of which those without consent are refused and emptied.

    `decided` is silver/consents, None before its first row; decisions that the records themselves
    state count as well, unless it is known that there are none (`state_decisions`). A
    decision counts for what was taken when it took effect or later; of several at one moment, the
    no. As in the collector a no always holds, and a yes that comes late undoes no later no.
    Records that cannot be read name nobody who could be asked, and are left to the other rules.
    With `keys`, pseudonyms of older keys name the same people as those of the current one.
    """
    found = refusals(records, decided, policy, keys, state_decisions=state_decisions)
    with cached(found) as refused:
        counts = refused.groupBy("purpose").count().collect()
        by_purpose = {row["purpose"]: row["count"] for row in counts}
        total = sum(by_purpose.values())
        yield ConsentChecked(_emptied(records, refused, total) if total else records, by_purpose)


def refusals(
    records: DataFrame,
    decided: DataFrame | None,
    policy: ConsentConfig,
    keys: Keys | None = None,
    *,
    state_decisions: bool = True,
) -> DataFrame:
    """Returns record_number and purpose of the records that may not be kept."""
    asked = _asked(records, policy)
    decisions = [] if decided is None else [scoped(decided)]
    if state_decisions:
        decisions.append(scoped(consent_rows(valid_events(records))))
    if not decisions:
        # Nobody has decided anything yet: no history to look up.
        nothing = F.lit(None).cast("boolean")
        return asked.where(~allowed_column(nothing)).select(NUMBER, "purpose")
    known = reduce(DataFrame.unionByName, decisions)
    if keys and older_keys(keys):
        asked = under_current_key(asked, SUBJECTS, keys)
        known = under_current_key(known, ["subject_id"], keys)
    history = _histories(known, asked)
    for name in SUBJECTS:
        asked = _with_decision(asked, history, name)
    return asked.where(~allowed_column(_of_both())).select(NUMBER, "purpose")


def allowed_column(decision: Column) -> Column:
    """Returns `consent.is_allowed` as a condition that is never null; see there for the law.

    It stands over the columns purpose, basis, regime and opted_out.
    """
    may_object = F.col("regime") == "opt_out"
    is_no = ~F.coalesce(decision, F.lit(True)) | (F.col("opted_out") & may_object)
    is_yes = F.coalesce(decision, F.lit(False)) | (F.col("basis") != REQUIRED) | may_object
    return (F.col("purpose") == NECESSARY) | (~is_no & is_yes)


def regime_column(region: Column, policy: ConsentConfig) -> Column:
    """Returns `ConsentConfig.regime_of` as a Column: part of a country, country, then default."""
    found = F.lit(policy.default)
    for place in (F.substring_index(region, "-", 1), region):
        found = (
            F.when(place.isin(list(policy.opt_in_regions)), "opt_in")
            .when(place.isin(list(policy.opt_out_regions)), "opt_out")
            .otherwise(found)
        )
    return found


def _asked(records: DataFrame, policy: ConsentConfig) -> DataFrame:
    """One narrow row per record that serves a purpose which can be refused."""
    noted = F.col("collected")
    is_asked = ~F.col("is_refused") & noted.basis.isNotNull() & (noted.purpose != NECESSARY)
    return records.where(is_asked).select(
        NUMBER,
        *SUBJECTS,
        F.coalesce(noted.site, F.lit("")).alias("site"),
        *(noted[name].alias(name) for name in ("purpose", "basis", "opted_out")),
        regime_column(noted.region, policy).alias("regime"),
        F.col("effective_at").alias("at"),
    )


def _histories(decisions: DataFrame, asked: DataFrame) -> DataFrame:
    """One row per site, subject and purpose with all its decisions; of subjects in the batch."""
    present = asked.select(F.explode(F.array_compact(F.array(*SUBJECTS))).alias("subject_id"))
    known = decisions.join(present.distinct(), on="subject_id", how="left_semi")
    return known.groupBy(*SCOPE).agg(F.collect_set(decision()).alias("history"))


def _with_decision(asked: DataFrame, history: DataFrame, name: str) -> DataFrame:
    """Adds what one identifier had decided by then, null without a decision.

    Records that lack the identifier get a key each: one null key for all would be one task's work.
    """
    nobody = F.concat(F.lit("\0"), F.col(NUMBER).cast("string"))
    subject = {"subject_kind": F.lit(name), "subject_id": F.coalesce(name, nobody)}
    keyed = asked.withColumns(subject)
    joined = keyed.join(history, on=list(SCOPE), how="left")
    until = F.filter("history", lambda one: one["at"] <= F.col("at"))
    state = state_after(until)
    added = {f"{name}_says": state["granted"], f"{name}_at": state["decided_at"]}
    return joined.withColumns(added).drop("history", "subject_kind", "subject_id")


def _of_both() -> Column:
    """`consent.decision_of`: a no of either outweighs a yes, but for the browser's newer yes."""
    said = F.array_compact(F.array(*(f"{name}_says" for name in SUBJECTS)))
    is_newer = F.col("anonymous_id_says") & (F.col("anonymous_id_at") > F.col("user_id_at"))
    return F.when(is_newer, True).when(F.size(said) > 0, F.forall(said, lambda yes: yes))


def _emptied(records: DataFrame, refused: DataFrame, count: int) -> DataFrame:
    """Marks the refused; what is known of them is that they were there."""
    marks = maybe_broadcast(refused.select(NUMBER, F.lit(True).alias("_no")), count)
    joined = records.join(marks, on=NUMBER, how="left")
    is_refused = F.col("is_refused") | F.col("_no").isNotNull()
    others = [name for name in records.columns if name not in ("is_refused", NUMBER)]
    return joined.select(
        is_refused.alias("is_refused"),
        NUMBER,
        *(F.when(F.col("_no").isNull(), F.col(name)).alias(name) for name in others),
    )
