r"""Repairs JSON that careless writers make: half of a character, NaN and Infinity.

JavaScript cuts text by UTF-16 units, so that an emoji at the cut leaves half of itself, which
JSON.stringify writes as `\ud83d`; Python's json writes `NaN`. Neither is JSON for a strict reader
(RFC 8259), and each would refuse the batch in which one field of one event has it.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

HIGH, LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
LONE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (HIGH, LOW, HIGH, LOW))
"""An escaped surrogate without its other half."""
RAW = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""A surrogate written as UTF-8, as in CESU-8."""
NO_NUMBER = re.compile(rb"\b(?:NaN|Infinity)\b")
BACKSLASH, STAND_IN = rb"\\", b"\x00\x00"


class RepairedValue(NamedTuple):
    """A value that was read in the end, null though it may be."""

    value: Any


def repair(body: bytes) -> RepairedValue | None:
    r"""Returns the value of broken JSON, or None where it is broken otherwise.

    Halves become U+FFFD, as browsers write them into UTF-8; NaN and infinities become null. Takes
    time in proportion to the text, and none for what cannot be repaired.

    >>> repair(b'{"value": NaN, "text": "cut \\ud83d"}')
    RepairedValue(value={'value': None, 'text': 'cut �'})
    """
    if RAW.search(body):
        body = _joined(body)
    # A zero byte is no JSON anyway, and would be taken for the stand-in.
    if LONE.search(body) and b"\x00" not in body:
        # An escaped backslash must not be read as the beginning of an escape.
        body = LONE.sub(rb"\\ufffd", body.replace(BACKSLASH, STAND_IN)).replace(STAND_IN, BACKSLASH)
    try:
        if NO_NUMBER.search(body):
            body = json.dumps(json.loads(body, parse_constant=lambda _: None)).encode()
        return RepairedValue(orjson.loads(body))
    except (ValueError, RecursionError):
        return None


def _joined(body: bytes) -> bytes:
    """Returns text with surrogates that are UTF-8 each joined into characters, halves replaced."""
    try:
        text = body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return body
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
