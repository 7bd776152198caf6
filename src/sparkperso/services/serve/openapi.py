"""The OpenAPI document of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document."""
    return {"openapi": "3.1.0", "paths": {}}
