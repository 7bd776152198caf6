"""Wagtail: a real one, whose pages are shown, changed, taken back, and kept while it is down."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from tests.cms import CALL, ENVIRON, Shop, shown, until
from tests.web_stub import WebStub

from sparkperso.services.content import open_content
from sparkperso.services.http.problems import Problem
from sparkperso.testing.cluster import free_port

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".tools" / "judges" / "bin" / "python"
OFFERS = {"slug": "offers", "slots": "hero", "body": "<p>Offers</p>"}
FIELDS = {"name": "meta.slug", "bodies": {"any": "body"}}


class Wagtail:
    """A site in one process; `order` has it publish or take back a page."""

    def __init__(self, folder, *webhook):
        self.port = free_port()
        line = [str(PYTHON), str(ROOT / "tests/wagtail_site/serve.py"), str(folder), str(self.port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*line, *webhook], stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def order(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def publish(self, **page):
        self.order(publish=page)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Receiver(WebStub):
    """Hands what it is sent to a service's webhook, in the service's own loop."""

    def __init__(self):
        super().__init__(self.take)
        self.service = self.loop = None

    def take(self, request):
        headers = {name.encode(): value.encode() for name, value in request.headers.items()}
        call = (request.method, request.target, headers, request.body)

        async def hook():
            self.service.hook("shop", *call)

        try:
            asyncio.run_coroutine_threadsafe(hook(), self.loop).result(5)
        except Problem as problem:
            return problem.status, {}, b""
        return 202, {}, b""


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def wagtail(receiver, tmp_path_factory):
    if not PYTHON.exists():
        pytest.fail("These tests need Wagtail: run scripts/setup_tests.sh")
    site = Wagtail(tmp_path_factory.mktemp("wagtail"), f"{receiver.url}/hooks", ENVIRON["HOOK"])
    yield site
    site.end()


@pytest.fixture
def shop(wagtail, tmp_path):
    class Site:
        url = f"http://127.0.0.1:{wagtail.port}"

    return Shop(tmp_path, Site)


def settings(shop, **more):
    made = {"fields": FIELDS, "query": {"rich_text_format": "html"}, **more}
    return shop.settings(kind="wagtail", **made)


def fetched(shop, **more):
    """The cache of a service that asked once."""

    async def run():
        own = settings(shop, **more)
        async with open_content(own, ENVIRON, shop.folder / "conf") as service:
            await service.refresh.refresh("shop")
            return service.cache

    return asyncio.run(run())


def quiet(receiver):
    """A service that takes what Wagtail tells while a test only publishes."""

    class Nobody:
        def hook(self, *_):
            pass

    receiver.service = Nobody()


@pytest.fixture(autouse=True)
def loop_for_nobody(receiver):
    """Answers webhooks of tests that open no service."""
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    receiver.loop = loop
    quiet(receiver)
    yield
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_published_pages_are_content_in_all_their_languages(wagtail, shop):
    bold = {"bold": {"bodies": {"any": {"en": "<b>Offers</b>"}}}, "plain": {"weight": 3}}
    wagtail.publish(**OFFERS, segments="high-value buyers", priority=7, variants=bold)
    wagtail.publish(**{**OFFERS, "body": "<p>Angebote</p>"}, locale="de")
    wagtail.publish(slug="Naughty-Name", slots="hero", body="<p>x</p>")
    # More than one page of the API: it gives 20 at most.
    for number in range(22):
        wagtail.publish(slug=f"more-{number}", slots="hero", body=f"<p>{number}</p>")
    cache = fetched(shop)
    [status] = cache.statuses
    assert status.contents == 23
    assert [one for one in status.state.problems if "'name'" not in one] == []
    assert shown(cache, language="de") == "<p>Angebote</p>"
    content = next(one for one in cache.shown_contents if one.name == "offers")
    assert (content.tags.segments, content.priority) == (("audiences-high-value-buyers",), 7)
    assert list(content.variants) == ["bold", "plain"]
    assert cache.place_of("offers").startswith("cms shop, entry ")


def test_blocks_of_a_stream_are_one_body_and_links_are_written_out(wagtail, shop):
    link = '<p><a linktype="page" id="1">home</a></p>'
    blocks = [["text", "<p>a</p>"], ["html", "<p>b</p>"]]
    wagtail.publish(**{**OFFERS, "body": link}, blocks=blocks, variants=None)
    body = shown(fetched(shop))
    assert "home</a>" in body
    assert "linktype" not in body
    fields = {**FIELDS, "bodies": {"any": "blocks.*.value"}}
    assert shown(fetched(shop, fields=fields)) == "<p>a</p>\n<p>b</p>"


def test_the_api_says_what_is_wrong_with_a_request(wagtail, shop):
    for more, says in (
        ({"page_size": 30}, "answered 400: limit cannot be higher than 20"),
        ({"type": "shop.Nothing"}, "answered 400: type doesn't exist"),
        ({"query": {"colour": "red"}}, "answered 400: query parameter is not"),
        ({"path": "/api/v3/pages/"}, "answered 404"),
    ):
        assert says in fetched(shop, **more).statuses[0].state.error


def test_what_wagtail_tells_is_shown_and_what_is_taken_back_is_gone(wagtail, shop, receiver):
    wagtail.publish(**OFFERS, variants=None)
    wagtail.publish(slug="soon", slots="hero", body="<p>Soon</p>")

    async def run():
        own = settings(shop)
        async with open_content(own, ENVIRON, shop.folder / "conf") as service:
            await until(lambda: service.cache.source_of("soon"))
            receiver.service, receiver.loop = service, asyncio.get_running_loop()
            changed = {**OFFERS, "body": "<p>New</p>"}
            await asyncio.to_thread(lambda: wagtail.publish(**changed))
            await until(lambda: shown(service.cache) == "<p>New</p>")
            await asyncio.to_thread(lambda: wagtail.order(unpublish="soon"))
            await until(lambda: service.cache.source_of("soon") is None)
            assert shown(service.cache) == "<p>New</p>"
            # A rule shows it: what is taken back is told, and shown until the rule is gone.
            await asyncio.to_thread(lambda: wagtail.order(unpublish="offers"))
            await until(lambda: service.cache.statuses[0].state.failures)
            assert shown(service.cache) == "<p>New</p>"

    asyncio.run(run())


def test_content_outlives_its_cms_and_is_fresh_when_it_is_back(wagtail, shop, tmp_path):
    own = Wagtail(tmp_path)
    try:
        own.publish(**OFFERS)
        url = f"http://127.0.0.1:{own.port}"
        assert shown(fetched(shop, base_url=url)) == "<p>Offers</p>"
    finally:
        own.end()
    cache = fetched(shop, base_url=url)
    assert shown(cache) == "<p>Offers</p>"
    assert "could not be called" in cache.statuses[0].state.error
    wagtail.publish(**{**OFFERS, "body": "<p>Back</p>"})
    cache = fetched(shop)
    assert (shown(cache), cache.statuses[0].state.error) == ("<p>Back</p>", None)


def test_the_call_of_the_tests_is_the_one_that_wagtail_makes(wagtail, receiver):
    receiver.requests.clear()
    wagtail.publish(**OFFERS)
    [request] = receiver.requests
    assert (request.method, request.target) == ("POST", "/hooks")
    name, secret = next(iter(CALL[2].items()))
    assert request.headers[name.decode()] == secret.decode()
