"""What became of the records of a run: received = valid + quarantined + duplicates + refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.ingest.quarantine import count_reasons


@dataclass(frozen=True)
class Intake:
    """Counts of one staged batch, before duplicates are looked for."""

    received: int
    refused: int
    rejected: int
    by_code: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, str] = field(default_factory=dict)
    refused_by_purpose: Mapping[str, int] = field(default_factory=dict)

    @property
    def readable(self) -> int:
        """Returns the records that broke no rule."""
        return self.received - self.refused - self.rejected

    @property
    def rejected_share(self) -> float:
        """Returns the share of records that broke a rule."""
        return self.rejected / self.received if self.received else 0.0


def count_intake(classified: DataFrame) -> Intake:
    """Returns the counts of classified records."""
    row = classified.agg(F.count("*"), F.count_if("is_refused"), F.count_if("is_rejected")).first()
    received, refused, rejected = row if row else (0, 0, 0)
    if not rejected:
        return Intake(received, refused, rejected)
    codes = count_reasons(classified.where("is_rejected")).orderBy("code").collect()
    return Intake(
        received,
        refused,
        rejected,
        {code["code"]: code["n_records"] for code in codes},
        {code["code"]: code["sample"] for code in codes},
    )


def require_records(intake: Intake, source: str) -> None:
    """Raises JobError when the files hold no record at all."""
    if not intake.received:
        raise JobError(
            f"The files of '{source}' should hold at least one record",
            "They hold none",
            "Nothing was written; export the data again, or name another path",
        )


def require_few_rejected(intake: Intake, limit: float, source: str) -> None:
    """Raises QualityGateError, naming the top reasons, when too large a share was rejected."""
    if intake.rejected_share <= limit:
        return
    top = sorted(intake.by_code.items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = "; ".join(f"{code} {n:,} (such as: {intake.samples[code]})" for code, n in top)
    raise QualityGateError(
        f"At most {limit:.1%} of the records of '{source}' may be rejected "
        "(ingest.max_rejected_share)",
        f"{intake.rejected:,} of {intake.received:,} were ({intake.rejected_share:.1%}): {reasons}",
        "silver/events was not touched; the records are in silver/quarantine. Fix the data or "
        f"conf/sources/{source}.yaml, or allow a larger share",
    )
