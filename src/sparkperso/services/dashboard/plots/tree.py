"""A dendrogram: which groups are parts of which, or become one as they are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sparkperso.services.dashboard.plots.svg import clipped, element, figure, percent

ROW = 40


@dataclass(frozen=True)
class Node:
    """A group: its parts, and how far from the leaves it stands, 0 to 1."""

    label: str
    height: float
    parts: Sequence[Node] = ()


def tree_of(parents: Mapping[str, str | None], labels: Mapping[str, str]) -> Node | None:
    """Returns the tree of groups that name their parents; None where none of them does.

    Groups without a parent are parts of a root of all. A circle of parents has no root, and is
    left out.
    """
    children: dict[str | None, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent if parent in parents else None, []).append(name)
    if not any(parents.values()):
        return None

    def depth(name: str) -> int:
        return 1 + max((depth(child) for child in children.get(name, ())), default=-1)

    deepest = 1 + max((depth(name) for name in children.get(None, ())), default=0)

    def node(name: str) -> Node:
        parts = tuple(node(child) for child in children.get(name, ()))
        return Node(labels.get(name, name), depth(name) / deepest, parts)

    return Node("", 1.0, tuple(node(name) for name in children.get(None, ())))


def linkage_tree(labels: Sequence[str], merges: Sequence[Sequence[float]]) -> Node | None:
    """Returns the tree of SciPy's linkage (rows: left, right, distance, size)."""
    if len(merges) == 0:
        return None
    most = max(row[2] for row in merges) or 1.0
    nodes = [Node(label, 0.0) for label in labels]
    for left, right, distance, _ in merges:
        nodes.append(Node("", distance / most, (nodes[int(left)], nodes[int(right)])))
    return nodes[-1]


def tree(title: str, root: Node | None) -> Markup | None:
    """Returns a tree with its root at the left, each leaf in a row; None where there is none."""
    if root is None:
        return None
    parts: list[Markup] = []
    row = 0

    def x(height: float) -> str:
        return percent(1 + (1 - height) * 43)

    def draw(node: Node, level: float) -> float:
        nonlocal row
        if not node.parts:
            y = row * ROW + ROW / 2
            row += 1
            parts.append(
                element("text", clipped(node.label, 24), x="46%", y=round(y) + 4, class_="label")
            )
            parts.append(_line(x(level), x(0.0), y, y))
            return y
        places = [draw(part, node.height) for part in node.parts]
        y = sum(places) / len(places)
        parts.append(_line(x(node.height), x(node.height), min(places), max(places)))
        if level > node.height:
            parts.append(_line(x(level), x(node.height), y, y))
        if node.label:
            parts.append(element("circle", cx=x(node.height), cy=round(y, 1), r=4, class_="c0"))
        return y

    draw(root, root.height)
    return figure(title, f"A tree. {_told(root)}.", row * ROW, parts)


def _line(x1: str, x2: str, y1: float, y2: float) -> Markup:
    return element("line", x1=x1, x2=x2, y1=round(y1, 1), y2=round(y2, 1), class_="line s0")


def _told(node: Node) -> str:
    """Returns a tree in words."""
    if not node.parts:
        return node.label
    inside = ", ".join(_told(part) for part in node.parts)
    return f"{node.label} ({inside})" if node.label else f"({inside})"
