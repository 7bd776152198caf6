"""Contentful: a space that its official client reads exactly as the adapter does."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest
from tests.contentful_stub import SPACE, TOKEN, ContentfulStub, asset, en, entry, link

from sparkperso.config.content.cms import ContentfulSource
from sparkperso.config.outbound import OutboundConfig
from sparkperso.services.content.calls import Api
from sparkperso.services.content.contentful import fetch_contentful
from sparkperso.services.http.outbound import open_outbound

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".tools" / "judges" / "bin" / "python"
DOCUMENT = {
    "nodeType": "document",
    "data": {},
    "content": [
        {
            "nodeType": "paragraph",
            "data": {},
            "content": [
                {"nodeType": "text", "value": "new", "marks": [{"type": "bold"}], "data": {}}
            ],
        },
        {
            "nodeType": "embedded-asset-block",
            "data": {"target": link("Asset", "a1")},
            "content": [],
        },
    ],
}


@pytest.fixture
def space():
    with ContentfulStub() as stub:
        stub.publish(
            asset("a1", "//images.ctfassets.net/shop/a.jpg", **{"en-US": "Mug", "de-DE": "Becher"}),
            entry("v1", "variant", **en(name="plain", weight=3), body={"en-US": "A", "de-DE": "B"}),
            entry("v2", "variant", **en(name="bold", weight=1), body={"en-US": "<b>A</b>"}),
            entry(
                "m1",
                **en(name="offers", slots=["hero"], segments=["high-value buyers"], priority=20),
                **en(validFrom="2026-03-01", text=DOCUMENT, image=link("Asset", "a1")),
                **en(behaviours=[{"attribute": "visits_7d", "at_least": 3}]),
                **en(variants=[link("Entry", "v1"), link("Entry", "gone"), link("Entry", "v2")]),
                headline={"en-US": "Offers", "de-DE": "Angebote"},
                body={"en-US": "<p>Offers</p>", "de-DE": "<p>Angebote</p>"},
            ),
            entry("m2", **en(name="news", next=link("Entry", "m1")), body={"de-DE": "nur deutsch"}),
            entry("m3", **en(name="itself", next=link("Entry", "m3"))),
            entry("m4", **en(name="torn", next=link("Entry", "gone"), image=link("Asset", "no"))),
        )
        yield stub


def read(space, **more):
    """Entry id → locale → field → value, as the adapter has it, and the requests that it made."""
    source = ContentfulSource(
        kind="contentful", base_url=space.url, space=SPACE, content_type="module", **more
    )
    config = OutboundConfig(allowed_hosts=("http://127.0.0.1:*",), allow_private=("127.0.0.0/8",))

    async def run():
        async with open_outbound(config) as client:
            return await fetch_contentful(Api(client, space.url, TOKEN), source, 1_000)

    found = asyncio.run(run())
    assert not found.problems
    by_id = {}
    for one in found.entries:
        by_id.setdefault(one.entry_id, {})[one.language] = one
    return by_id


def normal(value):
    """Without what the two write otherwise: names, scheme of addresses, times of dates."""
    if isinstance(value, dict):
        return {
            re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower(): normal(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, str):
        return value.removeprefix("https:").removesuffix("T00:00:00")
    return value


def test_the_official_client_reads_the_space_as_the_adapter_does(space):
    if not PYTHON.exists():
        pytest.fail("This test needs Contentful's client: run scripts/setup_tests.sh")
    judge = [str(PYTHON), str(ROOT / "tests" / "contentful_judge.py")]
    ran = subprocess.run(
        [*judge, str(space.port), SPACE, TOKEN, "module"],
        capture_output=True,
        text=True,
        check=True,
    )
    official = json.loads(ran.stdout)
    ours = read(space, page_size=2)
    assert ours.keys() == official.keys() == {"m1", "m2", "m3", "m4"}
    compared = 0
    for of, by_locale in official.items():
        assert by_locale.keys() == ours[of].keys()
        for locale, fields in by_locale.items():
            own = normal(ours[of][locale].own)
            # An entry that leads to itself is followed as deep as each of the two likes.
            compare = [name for name in fields if (of, name) != ("m3", "next")]
            assert {n: own.get(n) for n in compare} == {n: normal(fields[n]) for n in compare}
            compared += len(compare)
    assert compared > 20


def test_a_field_that_is_not_translated_is_the_default_locales_and_a_body_is_its_own(space):
    m1 = read(space)["m1"]
    assert list(m1) == ["en-US", "de-DE"]
    german = m1["de-DE"]
    assert (german.values["name"], german.own.get("name")) == ("offers", None)
    assert (german.values["headline"], german.own["headline"]) == ("Angebote", "Angebote")
    assert [one["name"] for one in german.values["variants"]] == ["plain", "bold"]
    assert [one.get("body") for one in german.own["variants"]] == ["B", None]
    assert german.own["image"]["title"] == "Becher"
    assert german.values["image"]["file"]["url"] == "https://images.ctfassets.net/shop/a.jpg"


def test_pages_are_asked_for_until_all_are_there_and_a_busy_system_is_asked_again(space):
    space.busy = 1
    assert list(read(space, page_size=1)) == ["m1", "m2", "m3", "m4"]
    targets = [one.target for one in space.requests if "/entries" in one.target]
    assert [re.search(r"skip=(\d+)", one)[1] for one in targets] == ["0", "1", "2", "3"]
    assert all("locale=%2A" in one and "order=sys.id" in one for one in targets)
