"""Picture of how far segments of rules overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from sparkperso.segments.describe.plots import DPI
from sparkperso.segments.rules.overlaps import Overlap


def draw_overlaps(shared: Sequence[Overlap], name: str, floor: int) -> Figure:
    """Returns segments × segments: the share of the row's people who are in the column's too.

    Numbers of fewer than `floor` people are not printed.
    """
    keys = list(dict.fromkeys(overlap.first for overlap in shared))
    place = {key: number for number, key in enumerate(keys)}
    counts = np.zeros((len(keys), len(keys)))
    texts = {}
    for overlap in shared:
        row, column = place[overlap.first], place[overlap.second]
        counts[row, column] = counts[column, row] = overlap.size
        texts[row, column] = texts[column, row] = overlap.shown(floor)
    sizes = counts.diagonal()
    shares = counts / np.maximum(sizes, 1)[:, None]
    side = 2.4 + 0.75 * len(keys)
    figure = Figure(figsize=(side + 1.2, side), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(
            column, row, texts[row, column], ha="center", va="center", fontsize=8.5, color=colour
        )
    axes.set_xticks(range(len(keys)), keys, rotation=35, ha="right")
    axes.set_yticks(range(len(keys)), keys)
    axes.tick_params(length=0, labelsize=9)
    axes.set_title(f"People of the row who are in the column too, '{name}'", loc="left")
    return figure
