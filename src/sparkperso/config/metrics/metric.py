"""A metric: what is counted of a unit (a user, a browser), and how it becomes one number."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparkperso.config.layers import conf_files
from sparkperso.config.load import load_named
from sparkperso.config.segments import NAME
from sparkperso.core.section import Section
from sparkperso.rules.conditions import EventFilter

METRICS = "metrics"
"""The folder of conf/."""
SESSION_VALUES = ("sessions", "bounces", "session_seconds")
Value = Annotated[
    str, Field(pattern=r"^(count|sum_value|sessions|bounces|session_seconds|metadata\.\w{1,64})$")
]
Kind = Literal["proportion", "mean", "ratio", "quantile", "retention"]


class Quantity(Section):
    """What is added up over the events of a unit."""

    of: EventFilter = Field(default_factory=EventFilter)
    """Which events."""
    value: Value = "count"
    """count: how many; sum_value: their values (currency, as sent); metadata.NAME: the numbers of
    that field, others count nothing; sessions: how many sessions hold such an event; bounces: how
    many hold exactly one; session_seconds: from the first to the last of each session, seconds."""
    less: EventFilter | None = None
    """Events that are taken off again: refunds of purchases. Not of sessions."""

    # Filters hold dictionaries, which have no hash of their own.
    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def is_of_sessions(self) -> bool:
        """Says whether events are put together to sessions first."""
        return self.value in SESSION_VALUES

    @property
    def filters(self) -> tuple[EventFilter, ...]:
        """Returns the filters of events that it counts and takes off."""
        return (self.of,) if self.less is None else (self.of, self.less)

    @model_validator(mode="after")
    def _takes_off_what_it_adds(self) -> Quantity:
        if self.less is not None and self.is_of_sessions:
            raise ValueError(f"'less' goes with events, not with {self.value}")
        return self


class Metric(Quantity):
    """One metric. Grain: one value per unit; what a variant has is made of those of its units."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name."""
    description: str = ""
    """What it means, for reports and the dashboard."""
    kind: Kind
    """proportion: the share of units that have any (`at_least`); mean: the average of all units,
    zeros too; ratio: the sum over all units by the sum of `denominator`; quantile: the `quantile`
    of the units' values; retention: the share of units that come back `day` days after."""
    denominator: Quantity | None = None
    """What a ratio is taken by."""
    at_least: float = Field(default=1, gt=0)
    """How much makes a unit count in a proportion."""
    quantile: float | None = Field(default=None, gt=0, lt=1)
    day: int | None = Field(default=None, ge=1, le=365)
    """Retention: events count from `day` times 24 hours after the exposure on, for `window_days`
    (a day, if not given)."""
    window_days: float | None = Field(default=None, gt=0, le=365)
    """How long after a unit's first exposure events count; without, until the end."""
    complete_windows: bool = False
    """Whether units count only once their window is over; always so for retention."""
    cap: float | None = Field(default=None, gt=0)
    """A unit's value is at most this: one huge order decides nothing."""
    cap_quantile: float | None = Field(default=None, gt=0.5, lt=1)
    """The same as a quantile of all units' values that are not zero."""
    better: Literal["up", "down"] = "up"
    """Which way is an improvement."""
    covariate: bool = True
    """Whether the same of the time before the exposure reduces its variance (CUPED)."""
    methods: tuple[Literal["mann_whitney", "bootstrap"], ...] = ()
    """Tests beside the usual ones of its kind; of means."""
    unit: str = ""
    """What it is counted in, for reports: `£`, `s`."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Metric:
        needs = {"ratio": "denominator", "quantile": "quantile", "retention": "day"}
        for kind, field in needs.items():
            is_there = getattr(self, field) is not None
            if is_there != (self.kind == kind):
                wanted = "give" if self.kind == kind else "leave out"
                raise ValueError(f"{wanted} '{field}': the kind is {self.kind}")
        if self.cap is not None and self.cap_quantile is not None:
            raise ValueError("give cap or cap_quantile, not both")
        if self.kind in ("proportion", "retention") and (self.cap or self.cap_quantile):
            raise ValueError(f"a {self.kind} has no cap: a unit counts once")
        if self.kind == "ratio" and self.cap_quantile:
            raise ValueError("a ratio takes 'cap', not 'cap_quantile'")
        if self.methods and self.kind != "mean":
            raise ValueError(f"methods {', '.join(self.methods)} are for means")
        if self.complete_windows and self.window_days is None and self.kind != "retention":
            raise ValueError("complete_windows needs window_days")
        return self

    @property
    def filters(self) -> tuple[EventFilter, ...]:
        """Returns the filters of events that it counts, of its denominator too."""
        own = super().filters
        return own if self.denominator is None else (*own, *self.denominator.filters)

    @property
    def start_days(self) -> float:
        """Returns when after the exposure events begin to count, in days."""
        return float(self.day or 0)

    @property
    def end_days(self) -> float | None:
        """Returns when after the exposure they end to count, in days; None: never."""
        if self.kind == "retention":
            return self.start_days + (self.window_days or 1)
        return self.window_days

    @property
    def waits(self) -> bool:
        """Says whether a unit counts only when its window is over."""
        return self.complete_windows or self.kind == "retention"

    @property
    def is_share(self) -> bool:
        """Says whether a unit's value is 0 or 1."""
        return self.kind in ("proportion", "retention")


def load_metrics(
    conf_dir: Path | None = None, names: Iterable[str] | None = None
) -> dict[str, Metric]:
    """Returns the metrics of conf/metrics by name, in its order; those of `names` if you wish.

    Raises ConfigError for a name without a file, with the nearest, and for what does not fit.
    """
    wanted = sorted(conf_files(METRICS, conf_dir)) if names is None else sorted(set(names))
    return {name: load_named(METRICS, name, Metric, conf_dir) for name in wanted}
