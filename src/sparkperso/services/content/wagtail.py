"""Wagtail, by its API of version 2: published pages of one type.

https://docs.wagtail.org/en/stable/advanced_topics/api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparkperso.config.content.cms import WagtailSource
from sparkperso.services.content.calls import Api, SourceError, list_of, require_few
from sparkperso.services.content.entries import Entry, Fetched, look_up


async def fetch_wagtail(api: Api, source: WagtailSource, most: int) -> Fetched:
    """Returns every page of the source's type, in the order of their ids.

    Fields are those that the model's `api_fields` name; what the API puts into `meta` is found as
    `meta.slug`. A page's language is `meta.locale`, which a site with translations has.
    """
    items: list[Any] = []
    total = 1
    while len(items) < total:
        query = {
            "type": source.type,
            "fields": "*",
            "order": "id",
            "limit": source.page_size,
            "offset": len(items),
            **source.query,
        }
        answer = await api.get(source.path, query)
        page = list_of(answer, "items", source.base_url)
        total = look_up(answer, "meta.total_count")
        if not isinstance(total, int):
            where = f"{source.base_url} should say how many pages there are"
            raise SourceError(f"{where} ('meta.total_count')")
        require_few(total, most, source.base_url)
        items += page
        if not page:
            break
    fetched = Fetched()
    for item in items:
        fetched.take(item, look_up(item, "id"), _entry)
    return fetched


def _entry(item: Mapping[str, Any]) -> Iterator[Entry]:
    locale = item["meta"].get("locale")
    yield Entry(str(item["id"]), item, locale if isinstance(locale, str) else None)
