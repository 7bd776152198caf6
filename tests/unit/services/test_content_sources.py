"""Content management systems that answer as documented, and those that answer otherwise."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import unquote, urlsplit

import pytest
from tests.cms import GOOD, KINDS, answering, documents, query_of, settings_for
from tests.contentful_stub import TOKEN, ContentfulStub, asset, en, entry, link
from tests.web_stub import JSON, WebStub

from sparkperso.core.errors import ConfigError, JobError
from sparkperso.services.content.sources import Sources, check_sources, webhook_secrets
from sparkperso.services.http.outbound import open_outbound


def fetch(url, kind="strapi", outbound=(), **fields):
    """What a source has, as content."""
    settings = settings_for(url, kind, outbound, **fields)

    async def run():
        async with open_outbound(settings.outbound) as client:
            return await Sources(settings, client, {"CMS_TOKEN": TOKEN}).fetch("shop")

    return asyncio.run(run())


def failure(url, kind="strapi", **more):
    """Why a source gave nothing: one sentence."""
    with pytest.raises(JobError) as caught:
        fetch(url, kind, **more)
    return str(caught.value)


def test_documents_of_strapi_are_read_page_by_page_in_each_locale():
    def answer(request):
        query = query_of(request)
        page, locale = int(query["pagination[page]"]), query["locale"]
        values = {**GOOD, "name": f"offers-{page}", "body": f"<p>{locale}</p>"}
        one = {"id": 10 + page, "documentId": f"d{page}", "locale": locale, **values}
        return documents(one, page=page, pages=2, total=2)

    with answering(answer) as stub:
        found = fetch(
            stub.url, locales=["en", "de"], token_env="CMS_TOKEN", query={"status": "published"}
        )
    assert list(found.contents) == ["offers-1", "offers-2"]
    assert found.contents["offers-2"].bodies_of(None) == {
        ("any", "en"): "<p>en</p>",
        ("any", "de"): "<p>de</p>",
    }
    assert len(stub.requests) == 4
    assert stub.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert urlsplit(stub.requests[0].target).path == "/api/modules"
    assert query_of(stub.requests[0])["status"] == "published"


def test_documents_of_strapi_4_have_their_fields_one_level_deeper():
    old = {"id": 1, "attributes": {**GOOD, "locale": "en"}}
    with answering(lambda request: documents(old)) as stub:
        assert fetch(stub.url).contents["offers"].bodies_of(None) == {
            ("any", "en"): "<p>Offers</p>"
        }


def test_pages_of_wagtail_are_read_until_all_are_there():
    def answer(request):
        offset = int(query_of(request)["offset"])
        meta = {"type": "shop.ModulePage", "slug": f"offers-{offset}", "locale": "en"}
        page = {
            "id": offset + 3,
            "meta": meta,
            "title": "Offers",
            "slots": ["hero"],
            "body": "<p>x</p>",
        }
        return {"meta": {"total_count": 3}, "items": [page]}

    with answering(answer) as stub:
        found = fetch(stub.url, "wagtail", fields={"name": "meta.slug"}, page_size=1)
    assert list(found.contents) == ["offers-0", "offers-1", "offers-2"]
    assert found.entry_ids["offers-2"] == "5"
    query = query_of(stub.requests[0])
    assert (query["type"], query["fields"], query["order"]) == ("shop.ModulePage", "*", "id")


def fragment(name, **values):
    return {"_path": f"/content/dam/shop/{name}", **GOOD, "name": name, **values}


def test_fragments_of_aem_are_read_of_a_persisted_query_in_each_locale():
    def answer(request):
        locale = unquote(request.target).rpartition(";locale=")[2]
        body = {"html": f"<p>{locale}</p>", "plaintext": locale}
        return {"data": {"moduleList": {"items": [fragment("offers", body=body)]}}}

    with answering(answer) as stub:
        found = fetch(
            stub.url,
            "aem",
            locales=["en", "de"],
            fields={"bodies": {"web": "body.html"}},
            query={"site": "a/b c"},
        )
    assert found.contents["offers"].bodies_of(None) == {
        ("web", "en"): "<p>en</p>",
        ("web", "de"): "<p>de</p>",
    }
    assert stub.requests[0].target == (
        "/graphql/execute.json/shop/modules%3Bsite%3Da%2Fb%20c%3Blocale%3Den"
    )


def test_fragments_of_aem_may_come_in_pages():
    def answer(request):
        after = unquote(request.target).rpartition(";after=")[2]
        number = int(after) + 1 if after.isdigit() else 0
        info = {"endCursor": str(number), "hasNextPage": number < 2}
        edges = [{"node": fragment(f"offers-{number}"), "cursor": str(number)}]
        return {"data": {"modulePaginated": {"edges": edges, "pageInfo": info}}}

    with answering(answer) as stub:
        assert list(fetch(stub.url, "aem").contents) == ["offers-0", "offers-1", "offers-2"]


def test_a_query_of_aem_that_fails_or_lists_several_kinds_says_so():
    for data, says in (
        ({"errors": [{"message": "Unknown field 'x'"}]}, "failed: Unknown field 'x'"),
        ({"data": {"a": {"items": []}, "b": {"items": []}}}, "found 2"),
        ({"data": None}, "found 0"),
    ):
        with answering(lambda request, data=data: data) as stub:
            assert says in failure(stub.url, "aem")


def test_an_entry_of_contentful_with_links_is_content_in_all_its_languages():
    fields = {
        "valid_from": "validFrom",
        "bodies": {"any": "body", "email": {"title": "headline", "image": "image.file.url"}},
    }
    with ContentfulStub() as space:
        space.publish(
            asset("a1", "//images.ctfassets.net/a.jpg"),
            entry("v1", "variant", **en(name="plain", weight=3), body={"en-US": "A", "de-DE": "B"}),
            entry("v2", "variant", **en(name="bold"), body={"en-US": "<b>A</b>"}),
            entry(
                "m1",
                **en(name="offers", slots=["hero"], segments=["lapsing"], validFrom="2026-03-01"),
                **en(image=link("Asset", "a1")),
                headline={"en-US": "Offers", "de-DE": "Angebote"},
                **en(variants=[link("Entry", "v1"), link("Entry", "v2")]),
                body={"en-US": "<p>Offers</p>", "de-DE": "<p>Angebote</p>"},
            ),
        )
        found = fetch(
            space.url, "contentful", fields=fields, languages={"en-US": "en", "de-DE": "de"}
        )
    assert not found.problems
    content = found.contents["offers"]
    assert content.bodies_of("plain") == {
        ("any", "en"): "A",
        ("any", "de"): "B",
        ("email", "en"): {"title": "Offers", "image": "https://images.ctfassets.net/a.jpg"},
        ("email", "de"): {"title": "Angebote", "image": "https://images.ctfassets.net/a.jpg"},
    }
    assert content.bodies_of("bold")["any", "de"] == "<p>Angebote</p>"
    assert (content.tags.segments, content.variants["plain"].weight) == (("lapsing",), 3)


def test_an_entry_that_links_to_thousands_is_left_out_alone():
    with ContentfulStub() as space:
        many = [link("Entry", f"x{number}") for number in range(80)]
        space.publish(
            entry("m1", **en(name="offers", slots=["hero"], body="<p>a</p>")),
            entry("m2", **en(name="wide", slots=["hero"], body="<p>a</p>", variants=many)),
            *(entry(f"x{n}", "variant", **en(name=f"x{n}", variants=many)) for n in range(80)),
        )
        found = fetch(space.url, "contentful", include=3)
    assert list(found.contents) == ["offers"]
    assert "entry m2: it has not the form of an entry (ValueError: it links to more than" in str(
        found.problems[0]
    )


ODD_ITEMS = [None, 7, "x", [], {}, {"sys": 1}, {"sys": {"id": "x"}}, {"meta": 1, "id": 1}]


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_of_another_form_is_left_out_alone(kind):
    def answer(request):
        if kind == "strapi":
            return documents(*ODD_ITEMS, {"id": 1, **GOOD})
        if kind == "aem":
            return {"data": {"list": {"items": [*ODD_ITEMS, fragment("offers")]}}}
        if kind == "wagtail":
            good = {"id": 1, "meta": {}, **GOOD}
            return {"meta": {"total_count": 9}, "items": [*ODD_ITEMS, good]}
        if "/locales" in request.target:
            return {"items": [{"code": "en-US", "default": True}]}
        return {"total": 9, "items": [*ODD_ITEMS, entry("m1", **en(**GOOD))]}

    with answering(answer) as stub:
        found = fetch(stub.url, kind)
    assert list(found.contents) == ["offers"]
    assert len(found.problems) == len(ODD_ITEMS)


def test_a_busy_system_is_asked_again_and_given_up_in_time():
    answers = [
        (429, {**JSON, "Retry-After": "0"}, b"{}"),
        (200, JSON, json.dumps(documents()).encode()),
    ]
    with WebStub(lambda request: answers.pop(0)) as stub:
        assert fetch(stub.url).contents == {}
        assert len(stub.requests) == 2


FAULTS = {
    "500": ((500, {}, b"<h1>boom</h1>"), "answered 500"),
    "503": ((503, JSON, b'{"message": "down for repair"}'), "answered 503: down for repair"),
    "404": ((404, JSON, b'{"error": {"message": "Not Found"}}'), "answered 404: Not Found"),
    "401": ((401, JSON, b"{}"), "does not take the token"),
    "301": (
        (301, {"Location": "http://169.254.169.254/latest"}, b""),
        "a redirect to http://169.254.169.254/latest: redirects are not followed",
    ),
    "odd-redirect": ((302, {"Location": "\x1b[31m x"}, b""), "a redirect: redirects are not"),
    "broken": ((200, JSON, b'{"data": ['), "did not answer with JSON"),
    "no-text": ((200, JSON, b"\xff\xfe{}"), "did not answer with JSON"),
    "empty": ((200, JSON, b""), "did not answer with JSON"),
    "deep": ((200, JSON, b"[" * 100_000 + b"]" * 100_000), "did not answer with JSON"),
    "list": ((200, JSON, b"[]"), "JSON that is no object"),
    "other": ((200, JSON, b"{}"), "a list 'data'"),
    "no-pages": ((200, JSON, b'{"data": []}'), "how many pages there are"),
    "many": (
        (200, JSON, json.dumps(documents(total=51)).encode()),
        "more than 50 entries (cms.max_entries)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_system_that_does_not_answer_as_it_should_is_one_sentence(name):
    answer, says = FAULTS[name]
    with WebStub(lambda request: answer) as stub:
        words = failure(stub.url)
        assert says in words
        assert len(words) < 300
        assert len(stub.requests) == 1
        assert TOKEN not in words


def test_fifty_megabytes_are_not_read():
    sent = []

    def endless():
        for _ in range(500):
            sent.append(1)
            yield b" " * 100_000

    with WebStub(lambda request: (200, JSON, endless())) as stub:
        assert "more than 1,000,000 bytes" in failure(stub.url, outbound={"max_bytes": 1_000_000})
        assert len(sent) < 250


def test_a_system_that_hangs_is_given_up_in_time():
    with WebStub(None) as stub:
        stub.answer = lambda request: (200, JSON, stub.hang())
        began = time.monotonic()
        assert "did not answer within 0.2 seconds" in failure(stub.url, outbound={"seconds": 0.2})
        assert time.monotonic() - began < 10


def test_a_system_of_endless_pages_is_given_up_in_time():
    settings = settings_for("http://127.0.0.1:9")
    endless = documents({"id": 1, **GOOD}, pages=10**9)

    async def run(url):
        quick = settings.cms.model_copy(
            update={
                "seconds": 0.3,
                "max_entries": 10**9,
                "sources": {
                    "shop": settings.cms.sources["shop"].model_copy(update={"base_url": url})
                },
            }
        )
        own = settings.model_copy(update={"cms": quick})
        async with open_outbound(own.outbound) as client:
            await Sources(own, client, {}).fetch("shop")

    with answering(lambda request: endless) as stub:
        with pytest.raises(
            JobError, match=r"did not give all within 0\.3 seconds \(cms\.seconds\)"
        ):
            asyncio.run(run(stub.url))
        assert len(stub.requests) > 1


def test_what_a_source_needs_is_looked_at_before_it_is_asked():
    with pytest.raises(ConfigError, match=r"cms\.sources\.shop .*allowed_hosts does not have it"):
        check_sources(settings_for("https://elsewhere.example"))
    with pytest.raises(ConfigError, match="without TLS"):
        check_sources(
            settings_for("http://cms.example", outbound={"allowed_hosts": ["cms.example"]})
        )
    with pytest.raises(ConfigError, match=r"trusted_content is false"):
        check_sources(settings_for("http://127.0.0.1:9", trusted=True))
    hooked = settings_for("http://127.0.0.1:9", webhook={"secret_env": "HOOK"})
    for environ, says in (({}, "It is not set"), ({"HOOK": "short"}, "It is shorter")):
        with pytest.raises(ConfigError, match=rf"HOOK should hold .* of shop, .*{says}"):
            webhook_secrets(hooked, environ)
    with pytest.raises(ConfigError, match=r"CMS_TOKEN should hold the token of cms\.sources\.shop"):
        Sources(settings_for("http://127.0.0.1:9", token_env="CMS_TOKEN"), None, {})
