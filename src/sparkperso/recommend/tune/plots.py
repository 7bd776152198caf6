"""Plots of a search: the candidates side by side, and training beside validation (overfitting)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from sparkperso.recommend.tune.trial_result import TrialResult

COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#5d5179", "#8d96a3")


def comparison_figure(results: Sequence[TrialResult], metric: str) -> Figure:
    """Returns every candidate's mean over the folds as a bar, best first, its folds as dots.

    A colour per model. Candidates that were given up have no bar: theirs would be of other data.
    """
    ordered = sorted(results, key=lambda one: one.mean[metric])
    models = list(dict.fromkeys(one.params.model for one in results))
    figure = Figure(figsize=(9, 1.2 + 0.28 * len(ordered)), layout="constrained")
    axes = figure.add_subplot()
    for place, one in enumerate(ordered):
        colour = COLOURS[models.index(one.params.model) % len(COLOURS)]
        axes.barh(place, one.mean[metric], color=colour, alpha=0.9)
        axes.plot([f[metric] for f in one.folds], [place] * len(one.folds), "k.", markersize=4)
    labels = []
    for one in ordered:
        changed = one.params.model_dump(exclude_defaults=True, exclude={"model"})
        settings = ", ".join(f"{key} {value}" for key, value in changed.items())
        labels.append(f"{one.name} ({settings})" if settings else one.name)
    axes.set_yticks(range(len(ordered)), labels, fontsize=7)
    axes.set_xlabel(f"{metric} on the folds (bar: mean; dots: folds)")
    axes.set_title("Candidates")
    return figure


def fit_figures(results: Sequence[TrialResult], metric: str) -> Iterator[tuple[Figure, str]]:
    """Yields pictures of training against validation, by rank and by regularisation, and names.

    Where training keeps rising and validation does not, a model learns its users by heart.
    """
    for setting in ("rank", "reg_param"):
        for model in dict.fromkeys(one.params.model for one in results):
            own = [t for t in results if t.params.model == model and hasattr(t.params, setting)]
            if len({getattr(one.params, setting) for one in own}) > 1:
                yield _fit_figure(own, metric, setting), f"fit_of_{model}_by_{setting}.png"


def _fit_figure(results: Sequence[TrialResult], metric: str, setting: str) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    sides = ((f"train_{metric}", "training users' own items", "o"), (metric, "validation", "s"))
    for place, (name, label, marker) in enumerate(sides):
        by_value: dict[float, list[float]] = {}
        for one in results:
            if name in one.mean:
                by_value.setdefault(getattr(one.params, setting), []).append(one.mean[name])
        points = sorted((value, sum(v) / len(v)) for value, v in by_value.items())
        axes.plot(*zip(*points, strict=True), marker=marker, color=COLOURS[place], label=label)
    axes.set_xscale("log")
    axes.set_xlabel(setting)
    axes.set_ylabel(f"{metric}, mean over candidates and folds")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{results[0].params.model}: training against validation")
    axes.legend()
    return figure
