"""What a version holds: namespaces, the keys of its records, files, lists as bytes of an answer.

A list is stored as the bytes that an answer needs: a head, a line feed, then the items of a JSON
array, between two of them a comma and a line feed. JSON escapes line feeds in texts, so that one
never stands within an item, and items are cut off or left out without being parsed:

    "strategy":"hybrid","model_version":"7"
    {"rank":1,"item_id":"22423","score":0.91,"reason":"because:85123A:31","title":"CAKESTAND"},
    {"rank":2,"item_id":"84879","score":0.77,"reason":"model"}

Everything after the head is the inside of an array as it stands. An item begins with its rank and
its item_id, and has at least one member more; all its members are named by identifiers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sparkperso.core.consent import Purpose

LIST_KINDS: Final = ("new", "again", "mixed")
LISTS: Final = "lists."
"""Before the kind of list: `lists.new` has user_id → list."""
CANDIDATE_LISTS: Final = "candidate."
"""The same of the candidate that experiments compare the champion with."""
POPULAR, SIMILAR = "popular", "similar"
"""scope → list; item_id → list."""
PROFILES, SEGMENTS, CONSENTS = "profiles", "segments", "consents"
"""user_id → JSON object; user_id → JSON array, one object per segment; subject → JSON object."""
MARKETING_CONSENTS: Final = "consents.marketing"
"""As CONSENTS, which is of personalisation."""
DECISIONS: Final[Mapping[Purpose, str]] = {
    "personalisation": CONSENTS,
    "marketing": MARKETING_CONSENTS,
}
"""Purpose → namespace of what people decided on it."""
DECIDED: Final = frozenset(DECISIONS.values())
ITEMS: Final = "items"
"""item_id → JSON object."""
NAMESPACES: Final = (
    *(f"{LISTS}{kind}" for kind in LIST_KINDS),
    *(f"{CANDIDATE_LISTS}{kind}" for kind in LIST_KINDS),
    *(POPULAR, SIMILAR, PROFILES, SEGMENTS, ITEMS),
    *DECISIONS.values(),
)
SESSIONS: Final = "sessions.arrays"
"""A file beside the records: the session index (`session_file`)."""
FILES: Final = (SESSIONS,)
FORMAT: Final = 2
"""Changes with the form of records; a reader opens versions of its own alone."""

LONGEST_ID: Final = 255
"""Bytes; LMDB's keys end at 511, and longer ids are named by their hash."""
PLAIN, HASHED = b"=", b"#"
"""Before a key, so that none is empty, and no id is taken for the hash of another."""

HEAD_END: Final = b"\n"
BETWEEN: Final = b",\n"
RANK_END: Final = b',"item_id":'
ID_END: Final = b'","'
"""Ends an id as JSON: within a text each quotation mark has a backslash before it."""
JSON_ESCAPES: Final = {
    **{code: f"\\u{code:04X}" for code in range(32)},
    **{ord(char): f"\\{short}" for char, short in zip('\b\f\n\r\t"\\', 'bfnrt"\\', strict=True)},
}
"""As Jackson writes them, and so Spark: other writers have other digits, or escape more."""


GLOBAL: Final = "global"
"""The scope of popular items that is everybody's."""
MOST_SCOPES: Final = 20
"""Segments whose popular items are looked for."""


def popular_scopes(segment_ids: Sequence[str], country: str | None) -> list[str]:
    """Returns the scopes of popular items for somebody, the nearest first: the shop's comes last.

    >>> popular_scopes(["vip"], "DE")
    ['segment:vip', 'country:DE', 'global']
    """
    segments = [f"segment:{segment_id}" for segment_id in segment_ids[:MOST_SCOPES]]
    return [*segments, *([f"country:{country}"] if country else []), GLOBAL]


def record_key(record_id: str) -> bytes:
    """Returns the key of an id: its UTF-8, or of one over `LONGEST_ID` bytes its SHA-256.

    Different ids have different keys; the empty one has a key too.

    >>> record_key("u1"), len(record_key("x" * 10_000))
    (b'=u1', 33)
    """
    name = record_id.encode("utf-8", "surrogatepass")
    return PLAIN + name if len(name) <= LONGEST_ID else HASHED + hashlib.sha256(name).digest()


def subject_id(kind: str, identifier: str) -> str:
    """Returns the id of a subject of consent, who is known as user_id or as anonymous_id.

    >>> subject_id("user_id", "u1")
    'user_id:u1'
    """
    return f"{kind}:{identifier}"


def json_text(text: str) -> bytes:
    r"""Returns a text as JSON, in the bytes that lists have.

    >>> json_text('5" disc')
    b'"5\\" disc"'
    """
    return b'"' + text.translate(JSON_ESCAPES).encode("utf-8", "surrogatepass") + b'"'


def make_list(head: bytes, items: Collection[bytes]) -> bytes:
    """Returns a list of a head and of items as JSON objects, as this module's docstring has it."""
    return head + HEAD_END + BETWEEN.join(items)


def split_list(record: bytes) -> tuple[bytes, bytes]:
    """Returns the head of a list, and its items."""
    head, _, items = record.partition(HEAD_END)
    return head, items


def first_items(items: bytes, n: int) -> bytes:
    r"""Returns the first n items of a list, as the inside of a JSON array.

    >>> first_items(b'{"rank":1},\n{"rank":2}', 1)
    b'{"rank":1}'
    """
    # Counting line feeds is ten times as fast as to look for what stands between items.
    if count_items(items) <= n:
        return items
    return BETWEEN.join(items.split(BETWEEN, max(n, 0))[: max(n, 0)])


def count_items(items: bytes) -> int:
    r"""Returns how many items the inside of an array has; no item has a line feed within it.

    >>> count_items(b'{"rank":1},\n{"rank":2}'), count_items(b"")
    (2, 0)
    """
    return items.count(b"\n") + 1 if items else 0


def item_id_of(item: bytes) -> bytes:
    """Returns the item_id of one item, as JSON.

    >>> item_id_of(b'{"rank":1,"item_id":"22423","score":0.91}')
    b'"22423"'
    """
    begin = item.index(RANK_END) + len(RANK_END)
    return item[begin : item.index(ID_END, begin) + 1]


def items_without(items: bytes, n: int, excluded: Collection[bytes]) -> bytes:
    """Returns the first n items whose ids are not among `excluded`, ranked anew from 1.

    `excluded` are ids as `json_text` gives them.
    """
    kept: list[bytes] = []
    for item in items.split(BETWEEN) if items else ():
        if len(kept) >= n:
            break
        if item_id_of(item) not in excluded:
            kept.append(b'{"rank":%d%b' % (len(kept) + 1, item[item.index(RANK_END) :]))
    return BETWEEN.join(kept)
