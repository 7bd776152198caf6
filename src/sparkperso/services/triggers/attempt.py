"""One attempt to deliver a message: what was answered, and when to try again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from sparkperso.config.triggers import TriggersConfig
from sparkperso.services.http.outbound import Answer, Outbound, OutboundError
from sparkperso.services.triggers.definitions import ReadyTrigger
from sparkperso.services.triggers.signature import signed_headers

MOST_BYTES = 4_096
"""Of an answer that are read: only its status counts."""
TOO_MANY, UNAVAILABLE, GONE = 429, 503, 410
Outcome = Literal["delivered", "failed", "gone", "refused"]
"""`failed`: it is tried again; `gone`: the receiver wants no more; `refused`: it may not be called
as it is configured, however often it is tried."""


@dataclass(frozen=True)
class Verdict:
    """What became of an attempt."""

    outcome: Outcome
    status: int | None
    """The answer's; None where there was none."""
    words: str
    """One sentence, without addresses and persons."""
    retry_after: float = 0.0
    """Seconds that the receiver asks for."""
    answer: bytes = b""
    """How the answer begins."""


async def attempt(
    outbound: Outbound, trigger: ReadyTrigger, delivery_id: str, body: bytes
) -> Verdict:
    """Sends a message once, signed as of now, and returns what became of it."""
    signed = signed_headers(trigger.keys, delivery_id, int(time.time()), body)
    headers = {"content-type": "application/json", **signed}
    config = trigger.config
    try:
        answer = await outbound.send(
            "POST", config.url, headers, body, config.timeout_seconds, cut_at=MOST_BYTES
        )
    except OutboundError as error:
        words = str(error).replace(config.url, trigger.host)
        return Verdict("refused" if error.is_refused else "failed", None, words)
    return judged(answer, trigger.host)


def judged(answer: Answer, host: str) -> Verdict:
    """Returns what an answer means: 2xx has taken the message, 410 wants no more."""
    status = answer.status
    if 200 <= status < 300:
        return Verdict("delivered", status, f"{host} took it ({status})", answer=answer.body)
    if status == GONE:
        return Verdict("gone", status, f"{host} wants no more ({status} Gone)", answer=answer.body)
    words = f"{host} answered {status}"
    if 300 <= status < 400:
        words += ": redirects are not followed"
    wait = 0.0
    if status in (TOO_MANY, UNAVAILABLE):
        wait = read_retry_after(answer.headers.get(b"retry-after", b""), time.time())
    return Verdict("failed", status, words, wait, answer.body)


def read_retry_after(value: bytes, at: float) -> float:
    """Returns the seconds that `Retry-After` asks for, as a number or a date; 0 where it is none.

    >>> read_retry_after(b"120", 0.0), read_retry_after(b"Thu, 01 Jan 1970 00:01:00 GMT", 20.0)
    (120.0, 40.0)
    """
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - at, 0.0)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def wait_after(attempts: int, retry_after: float, config: TriggersConfig) -> float:
    """Returns the seconds before the next attempt, after so many of them.

    Twice as long each time, up to a bound; by chance up to half of it less, so that what failed
    together is not tried again together. What the receiver asks for is heeded, up to its own bound.
    """
    # The exponent is bounded, too: 2.0 ** 1024 is no number.
    most = min(config.wait_seconds * 2.0 ** min(attempts - 1, 60), config.most_wait_seconds)
    asked = min(retry_after, config.most_retry_after_seconds)
    return max(most * random.uniform(0.5, 1.0), asked)
