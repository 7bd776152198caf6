"""Strapi, by its REST API: published documents of one collection.

https://docs.strapi.io/cms/api/rest
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparkperso.config.content.cms import StrapiSource
from sparkperso.services.content.calls import Api, SourceError, list_of, require_few
from sparkperso.services.content.entries import Entry, Fetched, look_up


async def fetch_strapi(api: Api, source: StrapiSource, most: int) -> Fetched:
    """Returns every document of the collection, of each locale that is configured.

    Of version 4, whose fields stand in `attributes`, too. Documents with one `documentId` are the
    same in several languages.
    """
    fetched = Fetched()
    for locale in source.locales or (None,):
        for item in await _documents(api, source, locale, most - len(fetched.entries)):
            document_id = look_up(item, "documentId") or look_up(item, "id")
            fetched.take(item, document_id, _entry)
    return fetched


async def _documents(api: Api, source: StrapiSource, locale: str | None, most: int) -> list[Any]:
    items: list[Any] = []
    page, pages = 1, 1
    while page <= pages:
        query = {
            "populate": "*",
            "sort": "id",
            "pagination[page]": page,
            "pagination[pageSize]": source.page_size,
            **({"locale": locale} if locale else {}),
            **source.query,
        }
        answer = await api.get(f"/api/{source.collection}", query)
        items += list_of(answer, "data", source.base_url)
        pages = look_up(answer, "meta.pagination.pageCount")
        if not isinstance(pages, int):
            where = f"{source.base_url} should say how many pages there are"
            raise SourceError(f"{where} ('meta.pagination.pageCount')")
        total = look_up(answer, "meta.pagination.total")
        require_few(max(total if isinstance(total, int) else 0, len(items)), most, source.base_url)
        page += 1
    return items


def _entry(item: Mapping[str, Any]) -> Iterator[Entry]:
    values = item.get("attributes", item)
    locale, document_id = values.get("locale"), item.get("documentId")
    yield Entry(
        str(document_id or item["id"]),
        values,
        locale if isinstance(locale, str) else None,
        key=str(document_id) if document_id else None,
    )
