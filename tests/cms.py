"""Content management systems on ports of this machine, and the settings of a source of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlsplit

import yaml
from tests.contentful_stub import SPACE
from tests.web_stub import JSON, WebStub

from sparkperso.config import load_settings
from sparkperso.config.settings import Settings
from sparkperso.decisions import Facts, decide
from sparkperso.services.content import ContentCache, open_content

KINDS = {
    "strapi": {"collection": "modules"},
    "wagtail": {"type": "shop.ModulePage"},
    "aem": {"persisted_query": "shop/modules"},
    "contentful": {"space": SPACE, "content_type": "module", "token_env": "CMS_TOKEN"},
}
GOOD = {"name": "offers", "slots": ["hero"], "body": "<p>Offers</p>"}


def settings_for(url, kind="strapi", outbound=(), cms=(), **fields):
    source = {"kind": kind, "base_url": url, **KINDS[kind], **fields}
    cms = {"seconds": 5, "max_entries": 50, "sources": {"shop": source}, **dict(cms)}
    allowed = {
        "allowed_hosts": ["http://127.0.0.1:*"],
        "allow_private": ["127.0.0.0/8"],
        **dict(outbound),
    }
    plain = load_settings("local")
    return Settings.model_validate({**plain.model_dump(), "cms": cms, "outbound": allowed})


def answering(answer):
    return WebStub(lambda request: (200, JSON, json.dumps(answer(request)).encode()))


def query_of(request):
    return dict(parse_qsl(urlsplit(request.target).query))


def documents(*values, page=1, pages=1, total=None):
    pagination = {"page": page, "pageSize": 1, "pageCount": pages, "total": total or len(values)}
    return {"data": list(values), "meta": {"pagination": pagination}}


HOOK = {"secret_env": "HOOK", "delay_seconds": 0}
ENVIRON = {"HOOK": "0123456789abcdef"}
CALL = ("POST", "/hooks", {b"x-webhook-secret": ENVIRON["HOOK"].encode()}, b"")
FILES = {
    "slots/hero": {"default": "welcome", "channels": ["web", "email"]},
    "content/welcome": {"slots": ["hero"], "bodies": {"any": {"en": "<p>Welcome</p>"}}},
    "rules/offers": {
        "if": {"context": "page", "begins_with": "/sale"},
        "show": {"slot": "hero", "content": "offers"},
    },
}


class Shop:
    """A conf/ and a lake of its own, and a CMS whose documents a test sets."""

    def __init__(self, folder, stub):
        self.folder, self.stub = folder, stub
        self.documents = [{"id": 1, **GOOD}]
        for name, document in FILES.items():
            self.write(name, document)

    def write(self, name, document):
        path = self.folder / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document))

    def settings(self, cms=(), **source):
        return settings_for(
            self.stub.url,
            outbound={"seconds": 1, "max_bytes": 1_000_000},
            cms={"folder": str(self.folder / "copies"), **dict(cms)},
            webhook=HOOK,
            **source,
        )

    def cache(self, **more):
        return ContentCache(self.settings(**more), self.folder / "conf")

    @asynccontextmanager
    async def service(self, **more):
        async with open_content(self.settings(**more), ENVIRON, self.folder / "conf") as service:
            yield service

    def fetched(self, **more):
        """The cache of a service that asked its source once."""

        async def run():
            async with self.service(**more) as service:
                await service.refresh.refresh("shop")
                return service.cache

        return asyncio.run(run())


def shown(cache, page="/sale", language="en"):
    """The HTML of the slot hero."""
    facts = Facts(datetime.now(timezone.utc), {"page": page, "language": [language]})
    return decide(cache.rulebook, facts, ["hero"]).slots["hero"].body


async def until(condition):
    for _ in range(1500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in fifteen seconds")
