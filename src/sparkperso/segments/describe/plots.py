"""Pictures of a segmentation: the users on a plane, and the profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sparkperso.config.segments import Naming
from sparkperso.segments.base.naming import in_words
from sparkperso.segments.base.projection import Projection
from sparkperso.segments.base.result import SegmentProfile

# Okabe and Ito's colours, told apart by colour-blind readers too; then further ones.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7B6FB5", "#8C8C8C",
    "#A6761D", "#1B4F72", "#B8B000", "#7F3C3C",
)  # fmt: skip
DPI = 130
STRONGEST = 2.0
"""Standard deviations at which the heat map's colour is full."""
GREY = "#555555"


def draw_scatter(
    projection: Projection, profiles: Sequence[SegmentProfile], features: Sequence[str], name: str
) -> Figure:
    """Returns users as dots on two principal components, one colour per segment.

    The centres, numbered as in the legend, are `projection.centres` in the order of `profiles`.
    """
    figure = Figure(figsize=(9.5, 6.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    ids = np.array(projection.segment_ids)
    for number, profile in enumerate(profiles):
        dots = projection.xy[ids == profile.segment_id]
        colour = COLOURS[number % len(COLOURS)]
        label = f"{number + 1}  {profile.label} ({profile.size:,})"
        axes.scatter(
            dots[:, 0], dots[:, 1], s=9, alpha=0.55, color=colour, linewidths=0, label=label
        )
        _mark_centre(axes, projection.centres[number], colour, number + 1)
    # Half a percent at each end is cut off: single outliers would press all the rest together.
    axes.set_xlim(_limits(projection.xy[:, 0]))
    axes.set_ylim(_limits(projection.xy[:, 1]))
    plain_axes(axes)
    axes.set_xlabel(axis_title(projection, 0, features), fontsize=9)
    axes.set_ylabel(axis_title(projection, 1, features), fontsize=9)
    axes.set_title(f"Segments of '{name}'", loc="left", fontweight="bold")
    legend = figure.legend(loc="outside lower center", ncols=2, frameon=False, markerscale=2.5)
    # Dots overlap and are pale for that; those of the legend stand alone.
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def draw_profiles(profiles: Sequence[SegmentProfile], naming: Naming, name: str) -> Figure:
    """Returns segments × features: means in own units, coloured by the difference from all.

    The difference is in standard deviations of all users; colours are full at STRONGEST of them.
    """
    features = [trait.feature for trait in profiles[0].traits]
    size = (2.9 + 0.86 * len(features), 1.9 + 0.55 * len(profiles))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    differences = np.array([[trait.difference for trait in p.traits] for p in profiles])
    image = axes.imshow(differences, cmap="RdBu_r", vmin=-STRONGEST, vmax=STRONGEST, aspect="auto")
    for row, profile in enumerate(profiles):
        for column, trait in enumerate(profile.traits):
            text = in_words(trait.feature, trait.value, naming.features.get(trait.feature))
            colour = "white" if abs(trait.difference) > 0.65 * STRONGEST else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)
    words = [naming.features.get(feature) for feature in features]
    headings = [w.short if w and w.short else f for f, w in zip(features, words, strict=True)]
    axes.set_xticks(range(len(features)), headings, rotation=35, ha="right")
    axes.set_yticks(range(len(profiles)), [f"{p.label} ({p.size:,})" for p in profiles])
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.015, extend="both")
    bar.set_label("difference from all users\n(standard deviations)", fontsize=8.5)
    figure.suptitle(f"Profiles of '{name}': means in original units", fontweight="bold")
    return figure


def axis_title(projection: Projection, axis: int, features: Sequence[str]) -> str:
    """Returns what an axis shows: its share of the variance and the features that shape it most."""
    weights = projection.loadings[:, axis]
    leading = sorted(range(len(features)), key=lambda i: (-abs(weights[i]), features[i]))[:3]
    named = ", ".join(f"{'+' if weights[i] >= 0 else '−'}{features[i]}" for i in leading)
    return f"Component {axis + 1}: {projection.explained[axis]:.0%} of the variance\n({named})"


def _mark_centre(axes: Axes, centre: NDArray[np.float64], colour: str, number: int) -> None:
    x, y = float(centre[0]), float(centre[1])
    axes.scatter(x, y, s=190, color=colour, edgecolors="white", linewidths=1.6, zorder=5)
    axes.annotate(
        str(number), (x, y), ha="center", va="center", color="white", fontweight="bold",
        fontsize=9, zorder=6,
    )  # fmt: skip


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.06 * float(high - low) or 1.0
    return float(low) - margin, float(high) + margin


def plain_axes(axes: Axes) -> None:
    """Leaves two sides of a frame, a pale grid and small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=GREY, labelsize=8.5)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
