"""Contentful's Content Delivery API on a port of this machine, in the form that is documented.

https://www.contentful.com/developers/docs/references/content-delivery-api/
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from tests.web_stub import WebStub

SPACE, ENVIRONMENT, TOKEN = "shop", "master", "delivery-token"
TYPE = {"Content-Type": "application/vnd.contentful.delivery.v1+json"}
LOCALES = [
    {"code": "en-US", "name": "English", "default": True, "fallbackCode": None},
    {"code": "de-DE", "name": "Deutsch", "default": False, "fallbackCode": "en-US"},
]
FIELDS = {
    "module": {
        "name": "Symbol",
        "slots": "Array",
        "segments": "Array",
        "priority": "Integer",
        "validFrom": "Date",
        "headline": "Symbol",
        "body": "Text",
        "text": "RichText",
        "image": "Link",
        "behaviours": "Object",
        "variants": "Array",
        "next": "Link",
    },
    "variant": {"name": "Symbol", "weight": "Number", "body": "Text"},
}
"""Content type → field → its type."""


def link(kind, of):
    return {"sys": {"type": "Link", "linkType": kind, "id": of}}


def sys_of(kind, of, content_type=None):
    found = {
        "type": kind,
        "id": of,
        "space": link("Space", SPACE),
        "environment": link("Environment", ENVIRONMENT),
        "createdAt": "2026-03-01T10:00:00.000Z",
        "updatedAt": "2026-03-02T10:00:00.000Z",
        "revision": 2,
    }
    return found | ({"contentType": link("ContentType", content_type)} if content_type else {})


def en(**values):
    """Fields in the default locale alone."""
    return {name: {"en-US": value} for name, value in values.items()}


def entry(of, content_type="module", **fields):
    """An entry, its fields by locale."""
    return {
        "metadata": {"tags": [], "concepts": []},
        "sys": sys_of("Entry", of, content_type),
        "fields": fields,
    }


def asset(of, url, **titles):
    file = {"url": url, "fileName": "a.jpg", "contentType": "image/jpeg", "details": {"size": 1}}
    titled = {"title": titles or {"en-US": of}}
    return {
        "metadata": {"tags": [], "concepts": []},
        "sys": sys_of("Asset", of),
        "fields": {**titled, "file": {"en-US": file}},
    }


@dataclass
class ContentfulStub(WebStub):
    """A space; `entries` and `assets` by id are what is published."""

    answer: object = None
    entries: dict = field(default_factory=dict)
    assets: dict = field(default_factory=dict)
    token: str = TOKEN
    busy: int = 0
    """So many requests are answered with 429 first."""

    def __post_init__(self):
        self.answer = self.answer or self.serve

    def publish(self, *resources):
        for one in resources:
            kind = self.assets if one["sys"]["type"] == "Asset" else self.entries
            kind[one["sys"]["id"]] = one

    def serve(self, request):
        if self.busy:
            self.busy -= 1
            headers = {**TYPE, "X-Contentful-RateLimit-Reset": "1"}
            return 429, headers, error("RateLimitExceeded", "You have exceeded the rate limit")
        parts = urlsplit(request.target)
        query = dict(parse_qsl(parts.query))
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if (sent or query.get("access_token")) != self.token:
            return 401, TYPE, error("AccessTokenInvalid", "The access token is not valid")
        _, spaces, space, *rest = parts.path.split("/")
        if (spaces, space) != ("spaces", SPACE) or rest[:2] != ["environments", ENVIRONMENT]:
            return 404, TYPE, error("NotFound", "The resource could not be found.")
        serve = {"locales": locales, "content_types": types, "entries": self.find}.get(rest[2])
        if serve is None:
            return 404, TYPE, error("NotFound", "The resource could not be found.")
        return 200, TYPE, json.dumps(serve(query)).encode()

    def find(self, query):
        wanted = query.get("content_type")
        found = [
            one
            for one in self.entries.values()
            if wanted in (None, one["sys"]["contentType"]["sys"]["id"])
        ]
        if query.get("order") == "sys.id":
            found.sort(key=lambda one: one["sys"]["id"])
        skip, limit = int(query.get("skip", 0)), min(int(query.get("limit", 100)), 1000)
        page = found[skip : skip + limit]
        answer = array(found, skip, limit, [in_locale(one, query) for one in page])
        included, missing = self.include(page, int(query.get("include", 1)))
        if included:
            answer["includes"] = {
                kind: [in_locale(one, query) for one in resources]
                for kind, resources in included.items()
            }
        if missing:
            answer["errors"] = missing
        return answer

    def include(self, page, depth):
        """What a page links to, `depth` levels deep, beside what is on it; and what is missing."""
        known = {("Entry", one["sys"]["id"]) for one in page}
        included, missing, level = {}, [], list(page)
        for _ in range(depth):
            targets = [key for one in level for key in links_in(one["fields"])]
            level = []
            for kind, of in targets:
                if (kind, of) in known:
                    continue
                known.add((kind, of))
                target = (self.entries if kind == "Entry" else self.assets).get(of)
                if target is None:
                    details = {"type": "Link", "linkType": kind, "id": of}
                    missing.append(
                        {"sys": {"type": "error", "id": "notResolvable"}, "details": details}
                    )
                    continue
                included.setdefault(kind, []).append(target)
                level.append(target)
        return included, missing


def links_in(value):
    if isinstance(value, list):
        for one in value:
            yield from links_in(one)
    elif isinstance(value, dict):
        sys = value.get("sys")
        if isinstance(sys, dict) and sys.get("type") == "Link":
            yield sys["linkType"], sys["id"]
        else:
            for one in value.values():
                yield from links_in(one)


def in_locale(resource, query):
    """A resource as it is answered: all locales with `locale=*`, else one with its fallback."""
    locale = query.get("locale", "en-US")
    if locale == "*":
        return resource
    found = deepcopy(resource)
    found["sys"]["locale"] = locale
    fields = {name: by.get(locale, by.get("en-US")) for name, by in resource["fields"].items()}
    found["fields"] = {name: value for name, value in fields.items() if value is not None}
    return found


def array(found, skip, limit, items):
    return {
        "sys": {"type": "Array"},
        "total": len(found),
        "skip": skip,
        "limit": limit,
        "items": items,
    }


def locales(_):
    items = [{**one, "sys": {"id": one["code"], "type": "Locale", "version": 1}} for one in LOCALES]
    return array(LOCALES, 0, 100, items)


def types(_):
    items = [
        {
            "sys": sys_of("ContentType", name),
            "name": name,
            "displayField": "name",
            "description": "",
            "fields": [field_of(of, kind) for of, kind in fields.items()],
        }
        for name, fields in FIELDS.items()
    ]
    return array(items, 0, 100, items)


def field_of(name, kind):
    found = {"id": name, "name": name, "type": kind, "localized": name in ("body", "headline")}
    if kind == "Link":
        found["linkType"] = "Asset" if name == "image" else "Entry"
    if kind == "Array":
        is_links = name == "variants"
        found["items"] = {"type": "Link", "linkType": "Entry"} if is_links else {"type": "Symbol"}
    return found | {"required": name == "name", "disabled": False, "omitted": False}


def error(code, message):
    body = {"sys": {"type": "Error", "id": code}, "message": message, "requestId": "r1"}
    return json.dumps(body).encode()
