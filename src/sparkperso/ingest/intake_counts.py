"""What became of the records of a run: received = valid + quarantined + duplicates + refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.ingest.consents import CONSENT_EVENT


@dataclass(frozen=True)
class IntakeCounts:
    """Counts of one staged batch, before duplicates are looked for."""

    received: int
    refused: int
    rejected: int
    decisions: int = 0
    """Events that state a decision on consent, rejected ones too."""
    anonymous: int = 0
    """Events that broke no rule and name no user, repeated ones too."""

    @property
    def readable(self) -> int:
        """Returns the records that broke no rule."""
        return self.received - self.refused - self.rejected

    @property
    def rejected_share(self) -> float:
        """Returns the share of records that broke a rule, 0 to 1."""
        return self.rejected / self.received if self.received else 0.0


@dataclass(frozen=True)
class ReasonCount:
    """Records that one reason code rejected, and what one of its messages says."""

    n_records: int
    sample: str


def intake_measures() -> dict[str, Column]:
    """Returns the counts as aggregates over classified records, by the names of IntakeCounts."""
    is_valid = ~F.col("is_refused") & ~F.col("is_rejected")
    return {
        "received": F.count("*"),
        "refused": F.count_if("is_refused"),
        "rejected": F.count_if("is_rejected"),
        "anonymous": F.count_if(is_valid & F.col("user_id").isNull()),
        "decisions": F.count_if(F.col("event_type") == CONSENT_EVENT),
    }


def intake_counts(measures: Mapping[str, int]) -> IntakeCounts:
    """Returns the counts that `intake_measures` came to; others beside them do not matter."""
    return IntakeCounts(**{field.name: measures[field.name] for field in fields(IntakeCounts)})


def count_intake(classified: DataFrame) -> IntakeCounts:
    """Returns the counts of classified records (numbers of records), in a pass of their own."""
    row = classified.agg(*(one.alias(name) for name, one in intake_measures().items())).first()
    return intake_counts(row.asDict()) if row else IntakeCounts(0, 0, 0)


def require_records(counts: IntakeCounts, source: str) -> None:
    """Raises JobError when the files hold no record at all."""
    if not counts.received:
        raise JobError(
            f"The files of '{source}' should hold at least one record",
            "They hold none",
            "Nothing was written; export the data again, or name another path",
        )


def require_few_rejected(
    counts: IntakeCounts, by_code: Mapping[str, ReasonCount], limit: float, source: str
) -> None:
    """Raises QualityGateError, naming the top reasons, when too large a share was rejected.

    `limit` is a share of all records, 0 to 1; `by_code` has the records of each reason code.
    """
    if counts.rejected_share <= limit:
        return
    top = sorted(by_code.items(), key=lambda item: (-item[1].n_records, item[0]))[:3]
    reasons = "; ".join(f"{code} {n.n_records:,} (such as: {n.sample})" for code, n in top)
    raise QualityGateError(
        f"At most {limit:.1%} of the records of '{source}' may be rejected "
        "(ingest.max_rejected_share)",
        f"{counts.rejected:,} of {counts.received:,} were ({counts.rejected_share:.1%}): {reasons}",
        "silver/events was not touched; the records are in silver/quarantine. Fix the data or "
        f"conf/sources/{source}.yaml, or allow a larger share",
    )
