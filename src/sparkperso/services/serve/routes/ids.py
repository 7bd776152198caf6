"""Ids in paths: any text, a slash or a line feed within it too."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request

from sparkperso.services.serve import reading as read


class AnyText(Convertor[str]):
    """What a path has at a place, as it was sent; `path` of Starlette stops at a line feed."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """Returns the text."""
        return value

    def to_string(self, value: str) -> str:
        """Returns the text."""
        return value


def id_in(request: Request, name: str, words: str) -> str:
    """Returns the id at a place of a path; raises a 422 Problem for what is not UTF-8.

    Servers put U+FFFD in the place of such bytes, and would have one id for many.
    """
    read.unquoted(request.scope.get("raw_path") or b"", words)
    value: str = request.path_params[name]
    return value


NAME = "text"
"""Its name in a route: `{id:text}`."""
register_url_convertor(NAME, AnyText())
