"""SVG as text: widths in per cent of the page, heights in pixels, so that letters never shrink.

No element has a style: colours are classes of the page's style sheet, which knows dark, light and
paper. Every plot is an image with a title and a description; a table beside it has its numbers.
"""

from __future__ import annotations

from hashlib import sha256

from markupsafe import Markup, escape

SHADES = 8
"""Colours of the style sheet, `c0` to `c7`."""


def element(name: str, content: str | Markup = "", **attributes: str | float | None) -> Markup:
    """Returns an element; `_` in names of attributes stands for `-`, `class_` for class."""
    named = (
        (key.rstrip("_").replace("_", "-"), _text(value))
        for key, value in attributes.items()
        if value is not None
    )
    told = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in named)
    return Markup("<{}{}>{}</{}>").format(Markup(name), told, content, Markup(name))


def figure(title: str, description: str, height: float, parts: list[Markup]) -> Markup:
    """Returns a plot of this height in pixels, as wide as its place."""
    mark = sha256(f"{title}\n{description}".encode()).hexdigest()[:8]
    head = element("title", title, id=f"t{mark}") + element("desc", description, id=f"d{mark}")
    return element(
        "svg",
        head + Markup("").join(parts),
        class_="plot",
        role="img",
        aria_labelledby=f"t{mark} d{mark}",
        width="100%",
        height=round(height),
    )


def percent(value: float) -> str:
    """Returns a place on the width, zero without a sign.

    >>> percent(33.3333)
    '33.33%'
    """
    return f"{abs(value):.2f}%"


def clipped(text: str, most: int) -> str:
    """Returns a label that fits its place; the table has it whole.

    >>> clipped("frequent big spenders", 12)
    'frequent bi…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["SHADES", "clipped", "element", "escape", "figure", "percent"]
