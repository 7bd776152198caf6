"""What the demo shop over a lake sells: its products, found by id and by words, with a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.core.columns import CATEGORY, ITEM_ID
from sparkperso.core.errors import ConfigError
from sparkperso.services.collect.routes.demo.pages import Hosts
from sparkperso.services.collect.routes.events import json_response
from sparkperso.services.http.problems import Problem

MOST_LISTED, MOST_IDS, LONGEST_QUERY = 24, 60, 100
COLOURS = (
    ("#f7e3c4", "#e9b872", "#7a4a1c"),
    ("#dfe7ef", "#a9bed2", "#33475a"),
    ("#e5ebe2", "#b4c6ad", "#3f5a38"),
    ("#f1dcd6", "#d99c8b", "#7c352a"),
    ("#e2e3f0", "#a7abd0", "#3c4178"),
    ("#d9e9e7", "#8fbab4", "#1f514c"),
)
"""Light, dark and ink of pictures; a category has always the same."""

Product = dict[str, Any]
"""item_id and title; category and price where they are known."""


class Products:
    """All that is sold, in memory."""

    def __init__(self, listed: Sequence[Product]) -> None:
        self._listed = listed
        self._by_id = {str(one[ITEM_ID]): one for one in listed}
        self._words = [
            f"{one['title']} {one.get(CATEGORY) or ''}".lower().replace("_", " ") for one in listed
        ]

    def first(self) -> list[Product]:
        """Returns what sells most."""
        return [*self._listed[:MOST_LISTED]]

    def by_ids(self, ids: Sequence[str]) -> list[Product]:
        """Returns the products of these ids, in their order, without those that are unknown."""
        return [self._by_id[item_id] for item_id in ids if item_id in self._by_id]

    def search(self, query: str) -> list[Product]:
        """Returns products that have all words of a query in title or category."""
        words = query.lower().replace("_", " ").split()
        found = (
            one
            for one, text in zip(self._listed, self._words, strict=True)
            if all(word in text for word in words)
        )
        return [one for one, _ in zip(found, range(MOST_LISTED), strict=False)]


def routes(file: str | None, allowed: Hosts) -> list[Route]:
    """Returns the routes of products; none where the shop sells what its own pages know."""
    if file is None:
        return []
    known = read_products(Path(file))

    async def get_products(request: Request) -> Response:
        """Gives the products of `ids`, or those that `q` finds, or what sells most."""
        ids, query = _sought(request)
        if ids is not None:
            return json_response({"products": known.by_ids(ids)})
        return json_response({"products": known.search(query) if query else known.first()})

    async def get_picture(request: Request) -> Response:
        """Gives a product's picture: there are no photographs in the data."""
        found = known.by_ids([request.path_params["item_id"]])
        if not found:
            raise Problem(404, "no_product", "There is no such product.")
        headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(picture(found[0]), media_type="image/svg+xml", headers=headers)

    return [
        Route("/demo/api/products", allowed.only(get_products)),
        Route("/demo/api/pictures/{item_id:path}", allowed.only(get_picture)),
    ]


def _sought(request: Request) -> tuple[list[str] | None, str | None]:
    """Returns ids and words that are looked for; raises a 422 Problem for too many."""
    ids, query = (request.query_params.get(name) for name in ("ids", "q"))
    named = None if ids is None else ids.split(",", MOST_IDS)
    if named is not None and len(named) > MOST_IDS:
        raise Problem(422, "invalid", f"ids should be at most {MOST_IDS}.")
    if query is not None and len(query) > LONGEST_QUERY:
        raise Problem(422, "invalid", f"q should have at most {LONGEST_QUERY} characters.")
    return named, query


def read_products(file: Path) -> Products:
    """Reads a file of products; raises ConfigError."""
    try:
        return Products([orjson.loads(line) for line in file.read_bytes().splitlines() if line])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "collect.shop.products should be a file of products, an object of JSON per line",
            f"{file}: {error}",
            "'sparkperso shop' writes it",
        ) from None


def picture(product: Product) -> str:
    """Returns an SVG of 200 × 200: a label with the title, in the colours of the category."""
    category = str(product.get(CATEGORY) or "")
    light, dark, ink = COLOURS[crc32(category.encode()) % len(COLOURS)]
    lines = _lines(str(product["title"]).title(), 15, 5)
    top = 100 - 11 * (len(lines) - 1)
    text = "".join(
        f'<text x="100" y="{top + 22 * n}" text-anchor="middle">{escape(line)}</text>'
        for n, line in enumerate(lines)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">'
        f'<defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="{light}"/>'
        f'<stop offset="1" stop-color="{dark}"/></linearGradient></defs>'
        '<rect width="200" height="200" fill="url(#g)"/>'
        f'<path d="M100 8v22" stroke="{ink}" stroke-width="2"/>'
        f'<circle cx="100" cy="38" r="5" fill="none" stroke="{ink}" stroke-width="2"/>'
        f'<rect x="22" y="30" width="156" height="146" rx="14" fill="#fffdf8" opacity=".82"/>'
        f'<g font-family="Georgia,serif" font-size="17" fill="{ink}">{text}</g>'
        "</svg>"
    )


def _lines(text: str, width: int, most: int) -> list[str]:
    """Breaks a text at its spaces into lines of about `width` characters."""
    lines: list[str] = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word[:width]}".strip()
    return lines[:most]
