"""The picture of a search for k."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sparkperso.segments.describe.plots import COLOURS, DPI, plain_axes
from sparkperso.segments.kmeans.search import Candidate


def draw_search(candidates: Sequence[Candidate], chosen: Candidate, name: str) -> Figure:
    """Returns silhouette, Davies–Bouldin and cost by k: a dot per start, a line by the best.

    The best is the highest silhouette (Rousseeuw 1987), the lowest Davies–Bouldin index (Davies &
    Bouldin 1979) and the lowest cost, a sum of squared distances; the chosen candidate has a ring.
    """
    figure = Figure(figsize=(10.5, 3.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, (measure, title, best) in zip(panels, _MEASURES, strict=True):
        values = [(c.k, c.figures()[measure]) for c in candidates]
        axes.scatter(
            [k for k, _ in values],
            [v for _, v in values],
            s=22,
            color=COLOURS[0],
            alpha=0.5,
            linewidths=0,
        )
        by_k = sorted({k for k, _ in values})
        line = [best(v for k, v in values if k == here) for here in by_k]
        axes.plot(by_k, line, color=COLOURS[0])
        axes.scatter(
            chosen.k,
            chosen.figures()[measure],
            s=130,
            facecolors="none",
            edgecolors=COLOURS[4],
            linewidths=2,
        )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("k")
        axes.set_xticks(by_k)
        plain_axes(axes)
    figure.suptitle(f"The search for k of '{name}': {chosen.k} chosen", fontweight="bold")
    return figure


_MEASURES = (
    ("silhouette", "Silhouette (high is good)", max),
    ("davies_bouldin", "Davies–Bouldin (low is good)", min),
    ("cost", "Within-cluster cost", min),
)
