"""What a benchmark reports: the document, and a table to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from rich.table import Table

from sparkperso.config.recommend.criterion import label_of
from sparkperso.core.terminal import literal
from sparkperso.recommend.benchmark.candidates import EXPLICIT
from sparkperso.recommend.benchmark.holdout import Result
from sparkperso.recommend.tune.trial_result import TrialResult

SHOWN = ("ndcg", "map", "recall", "hit_rate", "coverage", "novelty")
DECIMALS = 6


def entry(trial: TrialResult, result: Result) -> dict[str, Any]:
    """Returns the document's part about one model; figures that are not finite are None.

    `validation` are means over the folds, `metrics` those of the test; seconds and MiB.
    """
    return {
        "model": trial.params.model,
        "params": trial.params.model_dump(mode="json"),
        "validation": plain(trial.mean),
        "metrics": plain(result.metrics),
        "fit_seconds": round(result.fit_seconds, 3),
        "score_seconds": round(result.score_seconds, 3),
        "peak_rss_mb": round(result.peak_rss_mb, 1),
    }


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns figures as JSON takes them, rounded to 6 decimals; None for what is not finite.

    >>> plain({"rmse": float("nan"), "by_history": {"0": 1 / 3}})
    {'rmse': None, 'by_history': {'0': 0.333333}}
    """
    figures: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            figures[name] = plain(value)
        else:
            figures[name] = round(value, DECIMALS) if isfinite(value) else None
    return figures


def ordered(entries: Sequence[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Returns the models by their validation, best first; those without the metric last."""
    return sorted(entries, key=lambda e: -(e["validation"].get(metric) or -1.0))


def chosen(entries: Sequence[dict[str, Any]], metric: str, ours: Sequence[str]) -> str | None:
    """Returns the one of `ours` that did best in the validation; the test has no say.

    None when only ratings were tried.
    """
    ranked = [e for e in ordered(entries, metric) if e["model"] in ours and e["model"] != EXPLICIT]
    return str(ranked[0]["model"]) if ranked else None


def table(document: Mapping[str, Any], k: int) -> Table:
    """Returns the models as a table, best validation first; the chosen one is marked."""
    shown = Table(title=title(document["split"], k), title_justify="left")
    shown.add_column("model")
    metric = document["split"]["metric"]
    labels = (label_of(f"ndcg_at_{k}"), *(name.replace("_", " ") for name in SHOWN[1:]))
    for label in (f"valid. {label_of(metric)}", *labels, "fit s", "list s"):
        shown.add_column(label, justify="right")
    for one in document["models"]:
        mark = " *" if one["model"] == document["chosen"] else ""
        metrics = [_text(one["metrics"].get(f"{name}_at_{k}")) for name in SHOWN]
        seconds = [f"{one[name]:.1f}" for name in ("fit_seconds", "score_seconds")]
        validation = _text(one["validation"].get(metric))
        shown.add_row(literal(one["model"] + mark), validation, *metrics, *seconds)
    return shown


def title(split: Mapping[str, Any], k: int) -> str:
    """Returns the table's title."""
    return (
        f"{split['n_judged_users']:,} users with a history and a relevant item, lists of {k} "
        f"(* chosen on validation)"
    )


def notes(document: Mapping[str, Any]) -> list[str]:
    """Returns what the reader should know beside the table, one line each: counts and warnings."""
    split = document["split"]
    lines = list(split["warnings"])
    lines += [dropped(f"--{part}", split[part]) for part in ("train", "test")]
    lines.append(
        f"{split['n_cold_users']:,} of {split['n_test_users']:,} users and "
        f"{split['n_cold_items']:,} of {split['test']['n_items']:,} items of the test are not in "
        f"training; {split['n_seen_pairs']:,} of its pairs are: not relevant"
    )
    if split["n_catalogue"] < split["k"]:
        lines.append(f"There are only {split['n_catalogue']:,} items: no list has {split['k']}")
    lines += [f"{name} was left out: {why}" for name, why in split["left_out"].items()]
    for one in document["models"]:
        if one["model"] == EXPLICIT:
            rmse, mae = (_text(one["metrics"].get(name)) for name in ("rmse", "mae"))
            share = _text(one["metrics"].get("dropped_share"))
            lines.append(f"als_explicit: RMSE {rmse}, MAE {mae}, {share} of the ratings are cold")
    return lines


def dropped(name: str, counts: Mapping[str, Any]) -> str:
    """Returns a line about one part's rows: how many, and how many were dropped for what."""
    line = f"{name}: {counts['n_rows']:,} rows, {counts['n_pairs']:,} pairs"
    line += f", {counts['n_duplicates']:,} repeated (the latest counts)"
    bad = [f"{why} ({n:,})" for why, n in counts["invalid"].items()]
    return line + (f"; dropped: {', '.join(bad)}" if bad else "")


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
