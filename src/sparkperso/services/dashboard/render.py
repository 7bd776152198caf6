"""Pages as HTML: templates of Jinja2 that escape every value, under a policy that runs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from sparkperso.services.dashboard.page import NUMERIC, Few

FOLDER = Path(__file__).parent
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": a form of ours would then come from the origin "null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, Authorization, Accept",
}
"""For every page and file: what one person may see is kept by nobody, and stands in no frame."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
STATIC: Final = {"dashboard.css": "text/css", "icon.svg": "image/svg+xml"}
STYLE: Final = "dashboard.css"
NOTHING = "–"
UNITS = ("B", "kB", "MB", "GB", "TB")


class Renderer:
    """Draws pages. `least` is the smallest number of people that is told of."""

    def __init__(self, least: int) -> None:
        self._least = least
        environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["shown"] = self.shown
        environment.globals["style"] = f"/static/dashboard.css?{style_mark()}"
        environment.globals["numeric"] = NUMERIC
        self._environment = environment

    def html(self, template: str, **values: Any) -> str:
        """Returns a template filled with values."""
        return self._environment.get_template(template).render(**values)

    def response(self, template: str, status: int = 200, **values: Any) -> Response:
        """Returns the same as an answer."""
        return Response(self.html(template, **values), status, dict(HEADERS), "text/html")

    def shown(self, value: Any, kind: str = "text") -> str:
        """Returns a cell as people read it."""
        if value is None:
            return "–"
        if isinstance(value, Few):
            return f"fewer than {self._least}"
        return written(value, kind)


def written(value: Any, kind: str) -> str:
    """Returns a value as people read it; numbers without end or meaning as a dash.

    >>> written(1234567, "integer"), written(0.12345, "percent"), written(95.0, "seconds")
    ('1,234,567', '12.3 %', '1 min 35 s')
    """
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return NOTHING
    if kind in NUMBERS:
        return NUMBERS[kind](value)
    return plain(value)


def plain(value: float) -> str:
    """Returns a number in full, with four digits that tell of it.

    >>> plain(6737530.79), plain(0.0123456), plain(12.0), plain(1.5e-9)
    ('6,737,531', '0.01235', '12', '1.5e-09')
    """
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Returns a time span in its two largest units.

    >>> duration(0.25), duration(7260), duration(200_000)
    ('0.2 s', '2 h 1 min', '2 d 7 h')
    """
    for unit, name, smaller, short in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1.0, "s"),
    ):
        if abs(seconds) >= unit:
            whole, rest = divmod(abs(seconds), unit)
            sign = "-" if seconds < 0 else ""
            return f"{sign}{whole:.0f} {name} {rest // smaller:.0f} {short}"
    return f"{seconds:.1f} s"


def size(n_bytes: float) -> str:
    """Returns bytes in their unit.

    >>> size(1_500_000)
    '1.5 MB'
    """
    place = 0
    while abs(n_bytes) >= 1000 and place < len(UNITS) - 1:
        n_bytes, place = n_bytes / 1000, place + 1
    return f"{n_bytes:.0f} B" if place == 0 else f"{n_bytes:.1f} {UNITS[place]}"


NUMBERS: Final[Mapping[str, Callable[[float], str]]] = {
    "integer": "{:,.0f}".format,
    "percent": lambda value: f"{value * 100:,.1f} %",
    "seconds": duration,
    "bytes": size,
}
"""Kind of a column → how its numbers are written."""


@cache
def static_bytes(name: str) -> bytes:
    """Returns a file that every page loads."""
    return (FOLDER / "static" / name).read_bytes()


@cache
def style_mark() -> str:
    """Returns what stands for the style sheet's content, so that browsers may keep it for ever."""
    return sha256(static_bytes(STYLE)).hexdigest()[:12]
