"""A/A and A/B simulations of every method of experiments: false alarms, coverage, bias, time.

    python benchmarks/bench_aa.py                    20,000 experiments per row
    python benchmarks/bench_aa.py --only looks_means,off_policy     parts of it, kept in the results

Each row: a method, its data, units per group; the share of A/A experiments with p < 0.05, the share
of A/B experiments whose 95 % interval holds the true effect (and lift), the mean estimate over the
true effect, microseconds per comparison. A share over 20,000 has a standard error of 0.0015. The
mark: ✓ where all shares are within three of them of what was promised (sequential methods: at
most), < where a method errs less often, ! where it errs more often. Prints the table and writes
benchmarks/results/aa.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sparkperso.core.threads import one_thread
from sparkperso.experiments.offpolicy.estimators import (
    doubly_robust,
    ips,
    self_normalised_doubly_robust,
    snips,
)
from sparkperso.experiments.offpolicy.logged import LoggedDecisions
from sparkperso.experiments.statistics import comparison, sequential
from sparkperso.experiments.statistics.bayesian import bayesian
from sparkperso.experiments.statistics.checks.heterogeneity import heterogeneity
from sparkperso.experiments.statistics.checks.sample_ratio import sample_ratio
from sparkperso.experiments.statistics.checks.trend import effect_trend
from sparkperso.experiments.statistics.factorial import factorial
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.quantiles import (
    QuantileRange,
    bounding_percentiles,
    quantiles,
)
from sparkperso.experiments.statistics.rank_test import ValueCounts, mann_whitney
from sparkperso.experiments.statistics.resampling import BucketSums, bootstrap
from sparkperso.experiments.statistics.stratified import stratified
from sparkperso.testing.moments import simulated_moments, true_value, units

RESULTS = Path(__file__).parent / "results"
LEVEL, LIFT, CHUNK, DAYS = 0.05, 0.1, 1_000, 14


@dataclass
class Row:
    """One line of the table; None where it has no such figure."""

    method: str
    data: str
    units: int
    simulations: int
    false_alarms: float | None = None
    covered: float | None = None
    lift_covered: float | None = None
    relative_bias: float | None = None
    microseconds: float | None = None
    is_bound: bool = False
    """Whether false alarms are to be at most the level, not the level."""

    @property
    def mark(self) -> str:
        """✓: all shares within three standard errors; <: some err less often; !: more often."""
        error = 3 * math.sqrt(LEVEL * (1 - LEVEL) / self.simulations)
        shares = [self.false_alarms]
        shares += [None if c is None else 1 - c for c in (self.covered, self.lift_covered)]
        known = [share for share in shares if share is not None]
        if max(known) > LEVEL + error:
            return "!"
        return "<" if min(known) < LEVEL - error and not self.is_bound else "✓"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=20_000)
    parser.add_argument("--only", default="", help="parts of the table, by name, with commas")
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name] or list(PARTS)
    rows = []
    print(f"{'method':30} {'data':28} {'units':>6} {'runs':>6} {'alarms':>7} {'covers':>7} "
          f"{'lift':>7} {'bias':>8} {'µs':>7}")  # fmt: skip
    with one_thread():
        for name in names:
            started = time.time()
            for row in PARTS[name](arguments.simulations):
                rows.append({"part": name, **asdict(row), "mark": row.mark})
                print(line(row), flush=True)
            print(
                f"{name}: {time.time() - started:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True
            )
            rows[-1]["seconds_of_part"] = round(time.time() - started, 1)
    path = RESULTS / "aa.json"
    held = json.loads(path.read_text())["rows"] if path.is_file() and arguments.only else []
    held = [row for row in held if row["part"] not in names]
    order = {name: place for place, name in enumerate(PARTS)}
    result = {
        "level": LEVEL,
        "lift": LIFT,
        "cores": os.cpu_count(),
        "rows": sorted([*held, *rows], key=lambda row: order[row["part"]]),
    }
    path.write_text(json.dumps(result, indent=1) + "\n")


def line(row: Row) -> str:
    numbers = [row.false_alarms, row.covered, row.lift_covered]
    told = " ".join(f"{'' if v is None else f'{v:.4f}':>7}" for v in numbers)
    bias = "" if row.relative_bias is None else f"{row.relative_bias:+.4f}"
    micro = "" if row.microseconds is None else f"{row.microseconds:.0f}"
    return (
        f"{row.method:30} {row.data:28} {row.units:6} {row.simulations:6} {told} {bias:>8} "
        f"{micro:>7} {row.mark}"
    )


def chunks(n: int) -> Iterator[tuple[int, int]]:
    """Seeds and sizes of parts that fit into memory."""
    for seed, start in enumerate(range(0, n, CHUNK)):
        yield seed, min(CHUNK, n - start)


class Tally:
    """Shares and means over simulations."""

    def __init__(self) -> None:
        self.alarms, self.covered, self.lifts, self.effects = [], [], [], []
        self.seconds, self.calls = 0.0, 0

    def compare(self, method: Callable, *groups, effect=None, lift=None) -> None:
        """Puts groups to the method: as an A/A experiment, or with a true effect."""
        start = time.perf_counter()
        found = method(*groups, significance_level=LEVEL)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        if effect is None:
            self.alarms.append(found.p_value < LEVEL)
            return
        self.covered.append(found.effect_low <= effect <= found.effect_high)
        self.effects.append(found.effect / effect - 1 if effect else 0.0)
        if lift is not None and found.lift_low is not None:
            self.lifts.append(found.lift_low <= lift <= found.lift_high)

    def row(self, method: str, data: str, count: int, n: int, **fields) -> Row:
        """The line of the table."""

        def mean(values):
            return float(np.mean(values)) if values else None

        micro = self.seconds / self.calls * 1e6 if self.calls else None
        shares = (mean(values) for values in (self.alarms, self.covered, self.lifts, self.effects))
        return Row(method, data, count, n, *shares, micro, **fields)


def fixed(method: Callable, kind: str, count: int, n: int) -> Row:
    tally = Tally()
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, count))
        groups = [
            simulated_moments(**units(kind, (size, count), rng, lift)) for lift in (LIFT, 0.0, 0.0)
        ]
        for better, one, other in zip(*groups, strict=True):
            tally.compare(method, one, other)
            tally.compare(method, better, one, effect=LIFT * true_value(kind), lift=LIFT)
    data = {"proportions": "20 %", "means": "skewed"}.get(kind, "clicks of views")
    data = "skewed, past" if kind == "cuped_means" else data
    return tally.row(kind, data, count, n)


def rare_proportions(n: int) -> Row:
    tally, count, share = Tally(), 2000, 0.01
    rng = np.random.default_rng(1)
    drawn = [rng.binomial(count, p, n).tolist() for p in (share * (1 + LIFT), share, share)]
    for better, one, other in zip(*drawn, strict=True):
        groups = [Moments.from_counts(k, count) for k in (better, one, other)]
        tally.compare(comparison.proportions, groups[1], groups[2])
        tally.compare(comparison.proportions, groups[0], groups[1], effect=LIFT * share, lift=LIFT)
    return tally.row("proportions", "1 %", count, n)


def revenue(n: int) -> Row:
    """Most buy nothing, some a lot: the hardest for Welch's t."""
    tally, count = Tally(), 2000
    mean = 0.05 * math.exp(3 + 1 / 2)
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 2))
        groups = []
        for lift in (LIFT, 0.0, 0.0):
            bought = rng.random((size, count)) < 0.05
            groups.append(
                simulated_moments((1 + lift) * bought * rng.lognormal(3, 1, bought.shape))
            )
        for better, one, other in zip(*groups, strict=True):
            tally.compare(comparison.means, one, other)
            tally.compare(comparison.means, better, one, effect=LIFT * mean, lift=LIFT)
    return tally.row("means", "revenue, 5 % buy", count, n)


def by_stratum(n: int) -> Row:
    tally, count = Tally(), 400
    levels, shares = np.array([1.0, 4.0, 10.0]), [0.5, 0.3, 0.2]
    rng = np.random.default_rng(3)
    for _ in range(n):
        groups = []
        for shift in (0.2, 0.0, 0.0):
            of = rng.choice(3, count, p=shares)
            y = rng.normal(levels[of], 1.0) + shift
            groups.append([Moments.from_rows(y[of == s]) for s in range(3)])
        strata = [
            {f"s{s}": (one[s], other[s]) for s in range(3)}
            for one, other in ((groups[1], groups[2]), (groups[0], groups[1]))
        ]
        tally.compare(stratified, strata[0])
        tally.compare(stratified, strata[1], effect=0.2)
    return tally.row("stratified", "three strata", count, n)


def of_quantiles(quantile: float, n: int) -> Row:
    tally, count, shift = Tally(), 2000, 0.2
    at = [quantile, *bounding_percentiles(count, quantile)]
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 4))
        groups = []
        for up in (shift, 0.0, 0.0):
            table = np.quantile(rng.lognormal(0, 1, (size, count)) + up, at, axis=1).T
            groups.append([QuantileRange(count, *row) for row in table.tolist()])
        for better, one, other in zip(*groups, strict=True):
            tally.compare(quantiles, one, other)
            tally.compare(quantiles, better, one, effect=shift)
    return tally.row(f"quantiles {quantile}", "lognormal", count, n)


def of_ranks(n: int) -> Row:
    tally, count = Tally(), 200
    rates = np.array([0.9, 0.6])
    grid = np.arange(60)
    laws = [np.exp(grid * np.log(r) - r - [math.lgamma(k + 1) for k in grid]) for r in rates]
    effect = float(laws[0] @ (np.cumsum(laws[1]) - laws[1] / 2)) - 0.5
    rng = np.random.default_rng(5)
    for _ in range(n):
        better, one, other = (rng.poisson(rate, count) for rate in (0.9, 0.6, 0.6))
        tally.compare(mann_whitney, ValueCounts.from_rows(one, other))
        tally.compare(mann_whitney, ValueCounts.from_rows(better, one), effect=effect)
    return tally.row("mann_whitney", "purchases, many ties", count, n)


def resampled(n: int) -> Row:
    tally, count, n_buckets = Tally(), 1000, 200
    method = partial(bootstrap, n_resamples=1000)
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 6))
        groups = []
        for lift in (LIFT, 0.0, 0.0):
            rows = units("ratios", (size, n_buckets, count // n_buckets), rng, lift)
            sums = [rows[name].sum(axis=2) for name in "dy"]
            groups.append([BucketSums(count, d, y) for d, y in zip(*sums, strict=True)])
        for better, one, other in zip(*groups, strict=True):
            tally.compare(method, one, other)
            tally.compare(method, better, one, effect=LIFT * true_value("ratios"), lift=LIFT)
    return tally.row("bootstrap", "clicks of views, 200 buckets", count, n)


def daily(method: Callable, kind: str, count: int, n: int, *, is_bound: bool) -> Row:
    """Alarms: at any of 14 looks; covered: at all of them."""
    tally = Tally()
    effect = LIFT * true_value(kind)
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 7))
        totals = [[Moments.empty()] * size for _ in range(3)]
        alarms, covered = np.zeros(size, bool), np.ones(size, bool)
        for _ in range(DAYS):
            for place, lift in enumerate((LIFT, 0.0, 0.0)):
                new = simulated_moments(**units(kind, (size, count), rng, lift))
                totals[place] = [a.merge(b) for a, b in zip(totals[place], new, strict=True)]
            day = Tally()
            for better, one, other in zip(*totals, strict=True):
                day.compare(method, one, other)
                day.compare(method, better, one, effect=effect)
            alarms |= day.alarms
            covered &= day.covered
            tally.seconds, tally.calls = tally.seconds + day.seconds, tally.calls + day.calls
        tally.alarms += alarms.tolist()
        tally.covered += covered.tolist()
    data = f"{DAYS} daily looks"
    name = method.__name__ if is_bound else f"{method.__name__}, not made for it"
    return tally.row(name, data, DAYS * count, n, is_bound=is_bound)


def of_posteriors(n: int) -> Row:
    """Effects drawn from the prior: then credible intervals cover as they say."""
    tally, count = Tally(), 200
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 8))
        lifts = rng.normal(0, 0.3, size)
        treated = simulated_moments(rng.normal(10 * (1 + lifts)[:, None], 30, (size, count)))
        baseline = simulated_moments(rng.normal(10, 30, (size, count)))
        for one, other, lift in zip(treated, baseline, lifts, strict=True):
            start = time.perf_counter()
            found = bayesian(one, other, significance_level=LEVEL).estimate
            tally.seconds += time.perf_counter() - start
            tally.calls += 1
            tally.covered.append(found.effect_low <= 10 * lift <= found.effect_high)
    return tally.row("bayesian", "effects from the prior", count, n)


def of_sample_ratios(n: int) -> Iterator[Row]:
    rng = np.random.default_rng(9)
    weights, per_day = {"on": 0.5, "off": 0.5}, 500
    seen = rng.binomial(per_day, 0.5, (n, DAYS)).cumsum(axis=1)
    once, ever = Tally(), Tally()
    least = np.ones(n)
    for day in range(DAYS):
        total = per_day * (day + 1)
        start = time.perf_counter()
        # Many experiments have the same count, which is asked once.
        counts, of = np.unique(seen[:, day], return_inverse=True)
        found = [sample_ratio({"on": int(on), "off": int(total - on)}, weights) for on in counts]
        once.seconds += time.perf_counter() - start
        once.calls += len(counts)
        least = np.minimum(least, np.array([one.sequential_p_value for one in found])[of])
    once.alarms = (np.array([one.p_value for one in found])[of] < LEVEL).tolist()
    ever.alarms = (least < LEVEL).tolist()
    ever.seconds, ever.calls = once.seconds, once.calls
    yield once.row("sample_ratio, χ²", "one look", per_day * DAYS // 2, n)
    yield ever.row(
        "sample_ratio, always valid", f"{DAYS} daily looks", per_day * DAYS // 2, n, is_bound=True
    )


def of_trends(n: int) -> Row:
    tally, count, n_days = Tally(), 100, 7
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 10))
        days = [
            [simulated_moments(rng.normal(up, 1, (size, count))) for up in (0.5, 0.0)]
            for _ in range(n_days)
        ]
        for place in range(size):
            table = {day: (one[place], other[place]) for day, (one, other) in enumerate(days)}
            tally.compare(effect_trend, table)
    return tally.row("effect_trend", f"{n_days} days", count, n)


def of_segments(n: int) -> Row:
    tally, count, n_segments = Tally(), 200, 5
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 11))
        parts = [
            [simulated_moments(rng.normal(up, 1, (size, count))) for up in (0.5, 0.0)]
            for _ in range(n_segments)
        ]
        for place in range(size):
            table = {f"s{k}": (one[place], other[place]) for k, (one, other) in enumerate(parts)}
            tally.compare(heterogeneity, table)
    return tally.row("heterogeneity (Q)", f"{n_segments} segments", count, n)


def of_factors(n: int) -> Iterator[Row]:
    factors = {"title": ("old", "new"), "button": ("grey", "red")}
    keys = [(t, b) for t in factors["title"] for b in factors["button"]]
    tallies, count = [Tally() for _ in range(3)], 50
    for seed, size in chunks(n):
        rng = np.random.default_rng((seed, 12))
        cells = [simulated_moments(rng.normal(10, 2, (size, count + 20 * k))) for k in range(4)]
        for groups in zip(*cells, strict=True):
            start = time.perf_counter()
            found = factorial(
                factors, dict(zip(keys, groups, strict=True)), significance_level=LEVEL
            )
            for tally, contrast in zip(tallies, found, strict=True):
                tally.seconds += (time.perf_counter() - start) / 3
                tally.calls += 1
                tally.alarms.append(contrast.estimate.p_value < LEVEL)
                low, high = contrast.estimate.effect_low, contrast.estimate.effect_high
                tally.covered.append(low <= 0 <= high)
    for tally, name in zip(tallies, ("title", "button", "interaction"), strict=True):
        yield tally.row(f"factorial, {name}", "2 × 2, unequal cells", count, n)


RATES = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.2, 0.5, 0.2, 0.1]])
LOGGING = np.array([[0.4, 0.3, 0.2, 0.1], [0.25] * 4, [0.1, 0.2, 0.3, 0.4]])
TARGET = np.array([[0.1, 0.1, 0.2, 0.6], [0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]])


def off_policy(method: Callable, n: int) -> Row:
    tally, count = Tally(), 1500
    truth = float((RATES * TARGET).sum(axis=1).mean())
    model = RATES * 0.7 + 0.05
    rng = np.random.default_rng(13)
    for _ in range(n):
        kind = rng.integers(0, 3, count)
        choice = (LOGGING[kind].cumsum(axis=1) < rng.random(count)[:, None]).sum(axis=1)
        logged = LoggedDecisions(
            (rng.random(count) < RATES[kind, choice]).astype(float),
            LOGGING[kind, choice],
            TARGET[kind, choice],
            model[kind, choice],
            (model * TARGET).sum(axis=1)[kind],
        )
        start = time.perf_counter()
        found = method(logged, significance_level=LEVEL)
        tally.seconds += time.perf_counter() - start
        tally.calls += 1
        tally.covered.append(found.low <= truth <= found.high)
        tally.effects.append(found.value / truth - 1)
    return tally.row(method.__name__, "off-policy, wrong model", count, n)


def comparisons(n: int) -> Iterator[Row]:
    for kind in ("proportions", "means", "ratios", "cuped_means", "cuped_ratios"):
        for count in (100, 400):
            yield fixed(getattr(comparison, kind), kind, count, n)
    yield rare_proportions(n)
    yield revenue(n)


def others(n: int) -> Iterator[Row]:
    yield by_stratum(n)
    yield of_quantiles(0.5, n)
    yield of_quantiles(0.9, n)
    yield of_ranks(n)
    yield of_posteriors(n)


def looks(kind: str, n: int) -> Iterator[Row]:
    yield daily(getattr(sequential, f"sequential_{kind}"), kind, 100, n, is_bound=True)
    if kind == "means":
        yield daily(comparison.means, kind, 100, n, is_bound=False)


def checks(n: int) -> Iterator[Row]:
    yield of_trends(n)
    yield of_segments(n)
    yield from of_factors(n)


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "comparisons": comparisons,
    "others": others,
    "bootstrap": lambda n: iter([resampled(n)]),
    **{f"looks_{kind}": partial(looks, kind) for kind in comparison.ARMS},
    "sample_ratios": of_sample_ratios,
    "checks": checks,
    "off_policy": lambda n: (
        off_policy(method, n)
        for method in (ips, snips, doubly_robust, self_normalised_doubly_robust)
    ),
}


if __name__ == "__main__":
    main()
