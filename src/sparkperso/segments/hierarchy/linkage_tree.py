"""Agglomerative clustering: a tree over points, its cuts, its picture. scipy and matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram, fcluster, linkage, set_link_color_palette

from sparkperso.core.threads import one_thread
from sparkperso.segments.describe.plots import COLOURS, DPI, GREY

Matrix = NDArray[np.float64]
SHOWN = 30
"""Leaves of the picture, the last merges before the root."""


@dataclass(frozen=True)
class Tree:
    """A tree of merges over leaves."""

    merges: Matrix
    """scipy's linkage matrix: one row per merge: two nodes, their distance, leaves below."""

    @property
    def n_leaves(self) -> int:
        """Returns how many leaves there are."""
        return len(self.merges) + 1

    def cut(self, n_clusters: int) -> NDArray[np.int64]:
        """Returns the cluster of each leaf (leaves,), 0 up, when the tree is cut into so many.

        Where merges are of equal distance fewer clusters may come out (scipy's `fcluster`,
        maxclust).

        >>> tree = merge_points(np.array([[0.0], [0.1], [5.0], [5.1]]), "ward")
        >>> first, second, third, _ = tree.cut(2).tolist()
        >>> first == second, second == third
        (True, False)
        """
        labels = fcluster(self.merges, n_clusters, criterion="maxclust")
        return np.unique(labels, return_inverse=True)[1].astype(np.int64)


@one_thread()
def merge_points(points: Matrix, method: str) -> Tree:
    """Returns the tree over points (leaves, features) by scipy's `linkage`.

    `method` is one of scipy's: ward (Ward 1963: the merge that adds least to the sum of squares),
    average, complete or single. Memory grows with the square of the number of leaves.
    """
    return Tree(linkage(points, method=method))


def draw_tree(tree: Tree, levels: Sequence[int], name: str) -> Figure:
    """Returns the dendrogram, with a line where each level cuts it.

    Of a large tree the last SHOWN merges are drawn; heights are distances of merges (with ward, the
    square root of twice what a merge adds to the sum of squares).
    """
    figure = Figure(figsize=(10.5, 5.6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    set_link_color_palette(list(COLOURS))
    heights = np.concatenate([[0.0], tree.merges[:, 2]])
    threshold = _height(heights, max(levels))
    dendrogram(
        tree.merges,
        p=SHOWN,
        truncate_mode="lastp",
        color_threshold=threshold,
        above_threshold_color=GREY,
        ax=axes,
        leaf_rotation=90,
        leaf_font_size=8,
    )
    # The palette is scipy's global one: it is given back.
    set_link_color_palette(None)
    for level in levels:
        height = _height(heights, level)
        axes.axhline(height, color=GREY, linestyle="--", linewidth=1)
        axes.text(
            1.005,
            height,
            f"{level} segments",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            color=GREY,
        )
    axes.set_ylabel("distance of the merge")
    axes.set_xlabel("groups of leaves (their number) or single leaves")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"Dendrogram of '{name}': {tree.n_leaves:,} leaves", loc="left", fontweight="bold"
    )
    return figure


def _height(heights: Matrix, n_clusters: int) -> float:
    """Half way between the merge that leaves n clusters and the next."""
    last = len(heights) - n_clusters
    following = heights[min(last + 1, len(heights) - 1)]
    return float((heights[max(last, 0)] + following) / 2)
