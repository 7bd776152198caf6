"""Adobe Experience Manager: content fragments, by a persisted query of its GraphQL API.

https://experienceleague.adobe.com/en/docs/experience-manager-cloud-service/content/headless/graphql-api/persisted-queries
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from sparkperso.config.content.cms import AemSource
from sparkperso.services.content.calls import Api, SourceError, require_few
from sparkperso.services.content.entries import Entry, Fetched, look_up


async def fetch_aem(api: Api, source: AemSource, most: int) -> Fetched:
    """Returns the fragments that the query lists, of each locale that is configured.

    The query asks for one list (`moduleList { items { … } }`), or for pages of it
    (`modulePaginated(after: $after) { edges { node { … } } pageInfo { endCursor hasNextPage } }`):
    then its variable `after` is the cursor. Its variable `locale` is the locale. A fragment's id is
    its `_path`.
    """
    fetched = Fetched()
    for locale in source.locales or (None,):
        read = partial(_entry, locale=locale)
        for item in await _fragments(api, source, locale, most - len(fetched.entries)):
            fetched.take(item, look_up(item, "_path"), read)
    return fetched


async def _fragments(api: Api, source: AemSource, locale: str | None, most: int) -> list[Any]:
    variables = dict(source.query)
    if locale is not None:
        variables["locale"] = locale
    items: list[Any] = []
    while True:
        answer = await api.get(_path(source.persisted_query, variables), {})
        found = _list(answer, source)
        items += found["items"] if "items" in found else [one["node"] for one in found["edges"]]
        require_few(len(items), most, source.base_url)
        after = look_up(found, "pageInfo.endCursor")
        if (
            not look_up(found, "pageInfo.hasNextPage")
            or not after
            or after == variables.get("after")
        ):
            return items
        variables["after"] = str(after)


def _path(query: str, variables: Mapping[str, str]) -> str:
    """Persisted queries take their variables in the path, quoted: `;name=value`."""
    given = "".join(quote(f";{name}={value}", safe="") for name, value in variables.items())
    return f"/graphql/execute.json/{query}{given}"


def _list(answer: Mapping[str, Any], source: AemSource) -> Mapping[str, Any]:
    """The list that the query asks for: the only member of `data`."""
    if errors := answer.get("errors"):
        text = look_up(errors, "0.message") or "no reason"
        raise SourceError(f"{source.base_url}: the query {source.persisted_query} failed: {text}")
    data = answer.get("data")
    lists = [one for one in data.values() if _is_list(one)] if isinstance(data, Mapping) else []
    if len(lists) != 1:
        raise SourceError(
            f"{source.base_url}: the query {source.persisted_query} should list one kind of "
            f"fragments ('items' or 'edges'), found {len(lists)}"
        )
    return lists[0]  # type: ignore[no-any-return]


def _is_list(value: Any) -> bool:
    return isinstance(look_up(value, "items"), list) or isinstance(
        look_up(value, "edges.*.node"), list
    )


def _entry(item: Mapping[str, Any], locale: str | None) -> Iterator[Entry]:
    own = item.get("_locale")
    yield Entry(str(item["_path"]), item, locale or (own if isinstance(own, str) else None))
