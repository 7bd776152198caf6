"""Contentful, by its Content Delivery API: entries of one content type in all locales.

https://www.contentful.com/developers/docs/references/content-delivery-api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparkperso.config.content.cms import ContentfulSource
from sparkperso.services.content.calls import Api, SourceError, list_of, require_few
from sparkperso.services.content.entries import Entry, Fetched, look_up

LINK = "Link"
MOST_LINKS = 5_000
"""Links that are followed for one entry in one locale."""
Resource = Mapping[str, Any]
"""An entry or asset as it is answered."""
Resources = Mapping[tuple[str, str], Resource]
"""Type and id → entry or asset."""


async def fetch_contentful(api: Api, source: ContentfulSource, most: int) -> Fetched:
    """Returns every published entry of the source's content type, one for each locale of it.

    1. The environment's locales are asked for: one is the default.
    2. Pages are asked for in the order of the entries' ids, with all locales (`locale=*`) and what
       they link to, `include` levels deep.
    3. A link becomes what it leads to: the fields of an entry or asset, with its id in `sys`. One
       that leads to nothing published becomes None.
    4. A field without a value in a locale has none there; but links and assets, which are rarely
       translated, are those of the default locale, and so are all fields in `Entry.values`.
    """
    place = f"/spaces/{source.space}/environments/{source.environment}"
    locales = await api.get(f"{place}/locales", {})
    default = _default_of(list_of(locales, "items", source.base_url), source)
    items: list[Any] = []
    linked: dict[tuple[str, str], Resource] = {}
    total = 1
    while len(items) < total:
        query = {
            "content_type": source.content_type,
            "locale": "*",
            "include": source.include,
            "order": "sys.id",
            "limit": source.page_size,
            "skip": len(items),
            **source.query,
        }
        answer = await api.get(f"{place}/entries", query)
        page = list_of(answer, "items", source.base_url)
        total = _total(answer, source)
        require_few(total, most, source.base_url)
        items += page
        linked |= _by_id([*page, *_included(answer)])
        if not page:
            break
    fetched = Fetched()
    for item in items:
        fetched.take(
            item,
            look_up(item, "sys.id"),
            lambda one: _entries(one, linked, default, source.include),
        )
    return fetched


def _default_of(locales: list[Any], source: ContentfulSource) -> str:
    for locale in locales:
        if look_up(locale, "default") is True:
            return str(locale["code"])
    raise SourceError(f"{source.base_url} should name a default locale, found none")


def _total(answer: Resource, source: ContentfulSource) -> int:
    total = answer.get("total")
    if not isinstance(total, int):
        raise SourceError(f"{source.base_url} should say how many entries there are ('total')")
    return total


def _included(answer: Resource) -> Iterator[Any]:
    includes = answer.get("includes")
    for resources in includes.values() if isinstance(includes, Mapping) else ():
        yield from resources if isinstance(resources, list) else ()


def _by_id(resources: list[Any]) -> dict[tuple[str, str], Resource]:
    return {
        (str(look_up(one, "sys.type")), str(look_up(one, "sys.id"))): one
        for one in resources
        if isinstance(one, Mapping)
    }


class _View:
    """An entry's fields in one locale, with what they link to."""

    def __init__(self, linked: Resources, locale: str, default: str, *, is_strict: bool) -> None:
        self._linked, self._locale, self._default = linked, locale, default
        self._is_strict = is_strict
        self._n_links = 0

    def fields(self, resource: Resource, depth: int) -> dict[str, Any]:
        """Returns field → value, links followed `depth` levels; `sys` has its id."""
        found: dict[str, Any] = {"sys": {"id": resource["sys"]["id"]}}
        # A picture is the same in all languages, where it has no other in one.
        is_strict = self._is_strict and resource["sys"].get("type") != "Asset"
        for name, by_locale in (resource.get("fields") or {}).items():
            value = by_locale.get(self._locale)
            if value is None:
                value = by_locale.get(self._default)
                if is_strict and not _is_links(value):
                    continue
            found[name] = self._follow(value, depth)
        return found

    def _follow(self, value: Any, depth: int) -> Any:
        if isinstance(value, list):
            found = [self._follow(one, depth) for one in value]
            # Links that lead to nothing published are no members.
            return [one for one in found if one is not None] if _is_links(value) else found
        if not isinstance(value, Mapping):
            return value
        if _is_link(value):
            sys = value["sys"]
            target = self._linked.get((str(sys.get("linkType")), str(sys.get("id"))))
            self._n_links += 1
            if self._n_links > MOST_LINKS:
                raise ValueError(f"it links to more than {MOST_LINKS:,} others")
            return None if target is None or depth == 0 else self._target(target, depth)
        # Of rich text: the links in its nodes.
        return {name: self._follow(one, depth) for name, one in value.items()}

    def _target(self, target: Resource, depth: int) -> dict[str, Any]:
        fields = self.fields(target, depth - 1)
        file = fields.get("file")
        if isinstance(file, Mapping) and str(file.get("url")).startswith("//"):
            # Of an asset: a mail has no scheme of its own to put before it.
            fields["file"] = {**file, "url": f"https:{file['url']}"}
        return fields


def _entries(item: Resource, linked: Resources, default: str, depth: int) -> Iterator[Entry]:
    entry_id = str(item["sys"]["id"])
    used = {locale for by_locale in item["fields"].values() for locale in by_locale}
    for locale in sorted(used, key=lambda one: (one != default, one)):
        whole = _View(linked, locale, default, is_strict=False).fields(item, depth)
        own = _View(linked, locale, default, is_strict=True).fields(item, depth)
        yield Entry(entry_id, whole, locale, own, key=entry_id)


def _is_link(value: Any) -> bool:
    sys = value.get("sys") if isinstance(value, Mapping) else None
    return isinstance(sys, Mapping) and sys.get("type") == LINK


def _is_links(value: Any) -> bool:
    return _is_link(value) or (
        isinstance(value, list) and bool(value) and all(_is_link(one) for one in value)
    )
