"""What speaks against experiments beside their figures: faults, and sentences on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.started import StartedForm, form_of, mixing_changes
from sparkperso.experiments.analysis.exposures import EarlyClicks, ExposureProblems
from sparkperso.experiments.results.checks import clock_findings, problem_notes
from sparkperso.experiments.results.judge import Findings
from sparkperso.experiments.results.measured import Measured
from sparkperso.experiments.results.neighbours import (
    Neighbour,
    SharedUnits,
    earlier_notes,
    overlap_findings,
)


@dataclass(frozen=True)
class Observed:
    """What was seen of experiments beside their metrics, each by key."""

    problems: Mapping[str, ExposureProblems]
    clicks: Mapping[str, EarlyClicks]
    measured: Mapping[str, Measured]
    neighbours: Mapping[str, Sequence[Neighbour]]
    shared: Mapping[str, Mapping[str, SharedUnits]]
    """By the neighbour's key, too."""


def findings_of(
    experiments: Sequence[Experiment], forms: Mapping[str, StartedForm], seen: Observed
) -> dict[str, Findings]:
    """Returns the findings of each experiment, by key.

    1. How its form differs from what it was when it started (`forms` by name).
    2. Exposures that count for nobody, which break nothing.
    3. Times that cannot be right, of exposures, of clicks, of what units did.
    4. Units that were in a neighbour at the same time, or before.
    """
    found = {}
    for one in experiments:
        key, faults, notes = one.key, [], []
        # What an older version was is not written down any more.
        is_known = one.name in forms and forms[one.name].version == one.version
        changes = mixing_changes(forms[one.name], form_of(one)) if is_known else []
        faults += ["changed_after_start"] if changes else []
        notes += [f"It was changed after its start: {change}." for change in changes]

        problems = seen.problems.get(key, ExposureProblems())
        notes += problem_notes(one, asdict(problems))

        measured, clicks = seen.measured[key], seen.clicks.get(key, EarlyClicks())
        off, said = clock_findings(
            (problems.ahead, problems.n_events),
            (measured.n_ahead, measured.n_events),
            (clicks.n_early, clicks.n_clicks, clicks.n_units),
        )
        faults += off
        notes += said

        neighbours, shared = seen.neighbours.get(key, ()), seen.shared.get(key, {})
        overlaps = list(overlap_findings(neighbours, shared, sum(measured.n_first.values())))
        faults += ["overlapping_layers"] if any(is_fault for _, is_fault in overlaps) else []
        notes += [text for text, _ in overlaps]
        notes += earlier_notes(neighbours, shared)
        found[key] = Findings(faults, notes)
    return found
