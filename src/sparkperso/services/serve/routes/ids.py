"""Ids in paths: any text, a slash or a line feed within it too."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class AnyText(Convertor[str]):
    """What a path has at a place, as it was sent; `path` of Starlette stops at a line feed."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """Returns the text."""
        return value

    def to_string(self, value: str) -> str:
        """Returns the text."""
        return value


NAME = "text"
"""Its name in a route: `{id:text}`."""
register_url_convertor(NAME, AnyText())
