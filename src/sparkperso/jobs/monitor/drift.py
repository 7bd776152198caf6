"""Checks of drift: features, scores and segment sizes against the distributions of a reference.

1. A reference is taken when there is none, when another model is champion (of scores: has made the
   lists), and when the command asks for it (--new-reference). Its bins are kept with it.
2. Later runs count over the same bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import functions as F

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.monitoring.checks.drift import judge_drift
from sparkperso.monitoring.checks.finding import Finding
from sparkperso.monitoring.measures.distributions import bin_counts, name_counts, quantile_edges
from sparkperso.pipeline.job import Job
from sparkperso.platform.literals import aware, moment

FEATURES, LISTS, SEGMENTS = "gold/user_features", "gold/recommendations", "gold/segments"
REFERENCE = "ops/drift_reference"
SCORES = "score"


@dataclass
class Bins:
    """A distribution: its bins and their counts."""

    reference: str
    uppers: Sequence[float] = ()
    """Of numbers: the inner edges."""
    names: Sequence[str] = ()
    counts: list[int] = field(default_factory=list)
    row_keys: tuple[object, ...] = ()
    """As-of and run of a stored one."""


class References:
    """The stored distributions, and those that this run takes."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._is_changed = False
        ref = job.lake.ref(REFERENCE)
        self._kept: dict[str, Bins] = {}
        if not ref.exists():
            return
        rows = ref.read().withColumn("as_of", F.unix_micros("as_of"))
        for row in rows.orderBy("subject", "bin").collect():
            bins = self._kept.setdefault(row["subject"], Bins(row["reference"]))
            bins.counts.append(row["n"])
            bins.row_keys = (row["as_of"], row["run_id"])
            if row["upper"] is not None:
                bins.uppers = (*bins.uppers, row["upper"])
            if row["name"] is not None:
                bins.names = (*bins.names, row["name"])

    def of(self, subject: str, reference: str) -> Bins | None:
        """Returns what a subject is held against; None where it is to be taken anew."""
        bins = self._kept.get(subject)
        if bins is None or bins.reference != reference or self._job.options.get("new_reference"):
            return None
        return bins

    def take(self, subject: str, bins: Bins) -> Finding:
        """Keeps a distribution of today."""
        self._kept[subject] = bins
        self._is_changed = True
        n = sum(bins.counts)
        text = f"{subject}: the reference is taken today, of {n:,} rows (for {bins.reference})"
        return Finding(_check_of(subject), subject, "unknown", text)

    def save(self) -> None:
        """Writes them, if any is new."""
        if not self._is_changed:
            return
        rows = []
        for subject, bins in sorted(self._kept.items()):
            at, run_id = bins.row_keys or (None, self._job.run_id)
            as_of = aware(self._job.as_of if at is None else moment(int(str(at))))
            for place, n in enumerate(bins.counts):
                upper = bins.uppers[place] if place < len(bins.uppers) else None
                name = bins.names[place] if bins.names else None
                rows.append((subject, bins.reference, place, upper, name, n, as_of, run_id))
        writer = self._job.writer(REFERENCE)
        writer.overwrite(writer.frame_of(rows))


def check_drift(job: Job, champion: str) -> list[Finding]:
    """Judges features, the first scores of lists, and segments; `champion` is its version."""
    references = References(job)
    findings = [
        *_features(job, references, f"model {champion}"),
        *_scores(job, references),
        *_segments(job, references, f"model {champion}"),
    ]
    references.save()
    return findings


def _features(job: Job, references: References, reference: str) -> list[Finding]:
    config = job.settings.monitoring.checks.drift
    if not job.lake.ref(FEATURES).exists():
        return [Finding("feature_drift", "features", "unknown", f"{FEATURES} is not written yet")]
    frame = job.read(FEATURES)
    latest = frame.agg(F.max("as_of").alias("as_of"))
    frame = frame.join(F.broadcast(latest), "as_of")
    wanted = NUMERIC_FEATURES if config.features is None else config.features
    names = [name for name in wanted if name in frame.columns]
    known = {name: references.of(name, reference) for name in names}
    new = [name for name, bins in known.items() if bins is None]
    edges: dict[str, Sequence[float]] = {n: b.uppers for n, b in known.items() if b is not None}
    edges |= quantile_edges(frame, "user_id", new, config.bins, config.sample_users)
    return _numbers(job, references, reference, bin_counts(frame, edges), edges)


def _scores(job: Job, references: References) -> list[Finding]:
    config = job.settings.monitoring.checks.drift
    if not job.lake.ref(LISTS).exists():
        return [Finding("score_drift", SCORES, "unknown", f"{LISTS} is not written yet")]
    firsts = job.read(LISTS).where((F.col("rank") == 1) & (F.col("kind") == "new"))
    versions = firsts.groupBy("model_version").count()
    first = versions.orderBy(F.desc("count"), "model_version").first()
    if first is None:
        return [Finding("score_drift", SCORES, "unknown", f"{LISTS} has no lists")]
    # Scores of two models have no common scale.
    reference = f"model {first[0]}"
    frame = firsts.where(F.col("model_version") == first[0]).select("user_id", SCORES)
    bins = references.of(SCORES, reference)
    edges: Mapping[str, Sequence[float]] = (
        quantile_edges(frame, "user_id", [SCORES], config.bins, config.sample_users)
        if bins is None
        else {SCORES: bins.uppers}
    )
    return _numbers(job, references, reference, bin_counts(frame, edges), edges)


def _numbers(
    job: Job,
    references: References,
    reference: str,
    counts: Mapping[str, list[int]],
    edges: Mapping[str, Sequence[float]],
) -> list[Finding]:
    config = job.settings.monitoring.checks.drift
    findings = []
    for subject, now in counts.items():
        bins = references.of(subject, reference)
        if bins is None:
            taken = Bins(reference, uppers=tuple(edges[subject]), counts=now)
            findings.append(references.take(subject, taken))
        else:
            check = _check_of(subject)
            findings.append(judge_drift(check, subject, bins.counts, now, config))
    return findings


def _segments(job: Job, references: References, reference: str) -> list[Finding]:
    config = job.settings.monitoring.checks.drift
    if not job.lake.ref(SEGMENTS).exists():
        return [Finding("segment_drift", "segments", "unknown", f"{SEGMENTS} is not written yet")]
    findings = []
    by_name = name_counts(job.read(SEGMENTS), "segmentation", "segment_id")
    for segmentation, sizes in by_name.items():
        subject = f"segments {segmentation}"
        bins = references.of(subject, reference)
        if bins is None:
            taken = Bins(reference, names=tuple(sizes), counts=list(sizes.values()))
            findings.append(references.take(subject, taken))
            continue
        names = sorted({*bins.names, *sizes})
        before = dict(zip(bins.names, bins.counts, strict=True))
        pair = ([before.get(n, 0) for n in names], [sizes.get(n, 0) for n in names])
        findings.append(judge_drift("segment_drift", subject, *pair, config))
    return findings


def _check_of(subject: str) -> str:
    if subject == SCORES:
        return "score_drift"
    return "segment_drift" if subject.startswith("segments ") else "feature_drift"
