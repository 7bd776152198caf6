"""Flows: how many went from which group to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sparkperso.services.dashboard.plots.svg import SHADES, clipped, element, figure

ROW = 44
"""Pixels of height for each group of the side that has more."""
LETTERS = 15
"""Pixels between two labels at least."""
GAP = 1.5
"""Per cent of the height between two groups."""
LEFT, RIGHT = 3.0, 97.0


@dataclass(frozen=True)
class Flow:
    """So many went from one group to another."""

    before: str
    now: str
    size: float


def flows(title: str, given: Sequence[Flow], heads: tuple[str, str]) -> Markup | None:
    """Returns bands from left to right, as thick as they are many; None without any."""
    taken = [flow for flow in given if flow.size > 0]
    if not taken:
        return None
    left = _stacked(taken, "before")
    right = _stacked(taken, "now")
    height = max(len(left), len(right)) * ROW
    shades = {name: place % SHADES for place, name in enumerate(left)}
    at = {("before", name): start for name, (start, _) in left.items()}
    at |= {("now", name): start for name, (start, _) in right.items()}
    bands, labels = [], []
    total = sum(flow.size for flow in taken)
    room_left, room_right = (100 - GAP * (len(side) - 1) for side in (left, right))
    for flow in sorted(taken, key=lambda one: (list(left).index(one.before), one.now)):
        a, b = at["before", flow.before], at["now", flow.now]
        tall_a, tall_b = flow.size / total * room_left, flow.size / total * room_right
        at["before", flow.before] += tall_a
        at["now", flow.now] += tall_b
        middle = (LEFT + RIGHT) / 2
        path = (
            f"M{LEFT} {a:.2f} C{middle} {a:.2f} {middle} {b:.2f} {RIGHT} {b:.2f} "
            f"L{RIGHT} {b + tall_b:.2f} C{middle} {b + tall_b:.2f} {middle} {a + tall_a:.2f} "
            f"{LEFT} {a + tall_a:.2f} Z"
        )
        bands.append(element("path", d=path, class_=f"band c{shades[flow.before]}"))
    for side, edge in ((left, 0.0), (right, RIGHT)):
        for name, (start, tall) in side.items():
            shade = f"c{shades[name]}" if name in shades else "c7"
            bands.append(
                element(
                    "rect", x=edge, y=round(start, 2), width=3, height=round(tall, 2), class_=shade
                )
            )
    for side, x, words in ((left, "4.5%", "label"), (right, "95.5%", "label end")):
        last = 0.0
        for name, (start, tall) in side.items():
            # Of thin bands one below the other, however thin.
            last = max(24 + (start + tall / 2) / 100 * height + 4, last + LETTERS)
            labels.append(element("text", clipped(name, 19), x=x, y=round(last), class_=words))
    labels.append(element("text", heads[0], x=0, y=14, class_="tick"))
    labels.append(element("text", heads[1], x="100%", y=14, class_="tick end"))
    plot = element(
        "svg",
        Markup("").join(bands),
        x=0,
        y=24,
        width="100%",
        height=height,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    largest = sorted(taken, key=lambda one: -one.size)[:8]
    told = "; ".join(f"{one.before} to {one.now}: {one.size:,.0f}" for one in largest)
    return figure(title, f"Flows. {told}.", height + 40, [plot, *labels])


def _stacked(taken: Sequence[Flow], side: str) -> dict[str, tuple[float, float]]:
    """Returns each group of a side with where it begins and how tall it is, in per cent."""
    sizes: dict[str, float] = {}
    for flow in taken:
        name = getattr(flow, side)
        sizes[name] = sizes.get(name, 0.0) + flow.size
    total, room = sum(sizes.values()), 100 - GAP * (len(sizes) - 1)
    found, start = {}, 0.0
    for name, size in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0])):
        tall = size / total * room
        found[name] = start, tall
        start += tall + GAP
    return found
