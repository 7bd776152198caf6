"""Data on a terminal: shown as it is, never taken for markup or for commands.

Titles, ids and labels are anybody's text. Rich reads `[bold]` and `:bell:` in strings as markup,
and a terminal obeys control characters; a `Text` without them is neither.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All of C0 and C1 but tab and line feed."""


def visible(text: str) -> str:
    r"""Returns text with control characters spelled out: `\x1b` for an escape.

    >>> visible("\x1b[31mred\x1b[0m")
    '\\x1b[31mred\\x1b[0m'
    """
    return CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def literal(text: object) -> Text:
    """Returns what Rich shows letter for letter, whatever stands in it."""
    from rich.text import Text

    return Text(visible(str(text)))
