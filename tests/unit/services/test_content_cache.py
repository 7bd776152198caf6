"""The content that is shown: replaced as a whole or not at all, and there whatever fails."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from datetime import timedelta

import pytest
from tests.cms import CALL, ENVIRON, GOOD, Shop, documents, shown, until
from tests.web_stub import JSON, WebStub

from sparkperso.core.errors import ConfigError, JobError
from sparkperso.services.content import open_content
from sparkperso.services.content import refresh as refreshing
from sparkperso.services.content.collection import read_shown
from sparkperso.services.content.copies import Copies
from sparkperso.services.http.problems import Problem


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(refreshing, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(refreshing, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(refreshing, "BUSY_SECONDS", 0.02)


@pytest.fixture
def shop(tmp_path):
    with WebStub(None) as stub:
        made = Shop(tmp_path, stub)
        stub.answer = lambda request: (200, JSON, json.dumps(documents(*made.documents)).encode())
        yield made


def test_without_sources_the_rulebook_is_that_of_the_files(shop):
    shop.write("content/offers", {"slots": ["hero"], "bodies": {"any": {"en": "<p>File</p>"}}})
    cache = shop.cache(cms={"sources": {}})
    assert shown(cache) == "<p>File</p>"
    assert cache.statuses == []
    assert not (shop.folder / "copies").exists()
    shop.write("rules/more", {"show": {"slot": "hero", "content": "nothing"}})
    with pytest.raises(ConfigError, match="no 'nothing' in conf/content"):
        shop.cache(cms={"sources": {}})


def test_at_the_start_no_machine_is_asked_and_what_waits_for_content_says_so(shop):
    cache = shop.cache()
    assert shown(cache) == "<p>Welcome</p>"
    assert list(cache.waiting) == ["offers"]
    assert "conf/rules/offers.yaml, show.content" in cache.waiting["offers"]
    assert shop.stub.requests == []
    read = read_shown(shop.settings(), shop.folder / "conf")
    assert (list(read.contents), list(read.waiting), read.faults) == (["welcome"], ["offers"], {})
    [status] = cache.statuses
    assert (status.name, status.kind, status.contents, status.age_seconds) == (
        "shop",
        "strapi",
        0,
        None,
    )


def test_a_slots_default_may_wait_too(shop):
    shop.write("slots/hero", {"default": "offers"})
    (shop.folder / "conf/content/welcome.yaml").unlink()
    cache = shop.cache()
    assert shown(cache, page="/") is None
    assert shown(shop.fetched(), page="/") == "<p>Offers</p>"


def test_other_faults_of_the_files_end_it(shop):
    shop.write("rules/offers", {"show": {"slot": "hreo", "content": "offers"}})
    with pytest.raises(ConfigError, match="did you mean 'hero'"):
        shop.cache()


def test_what_a_source_answers_is_shown_and_kept(shop):
    cache = shop.fetched()
    assert shown(cache) == "<p>Offers</p>"
    assert (cache.waiting, cache.changes, cache.source_of("offers")) == ({}, 1, "shop")
    [status] = cache.statuses
    assert (status.contents, status.state.error, status.state.failures) == (1, None, 0)
    assert status.age_seconds < 10
    again = shop.cache()  # a new process
    assert shown(again) == "<p>Offers</p>"
    assert again.waiting == {}
    read = read_shown(shop.settings(), shop.folder / "conf")
    assert (set(read.contents), read.faults, read.waiting) == ({"welcome", "offers"}, {}, {})


def test_a_copy_is_what_was_answered(shop):
    shop.documents = [
        {
            "id": 1,
            **GOOD,
            "description": "x",
            "priority": 3,
            "valid_from": "2026-01-01",
            "preferences": {"top_category": ["kitchen"]},
            "behaviours": [{"not": {"attribute": "visits_7d", "at_least": 3}}],
            "variants": {"a": {"weight": 2}, "b": {"bodies": {"web": {"de-at": {"x": [1, None]}}}}},
            "items": {"kind": "new", "n": 4},
        }
    ]
    shop.write("slots/hero", {"default": "welcome", "max_items": 9, "channels": ["web"]})
    shop.documents[0]["variants"]["b"]["bodies"]["web"]["de-at"] = "<p>ü</p>"
    fetched = shop.fetched()
    assert fetched.statuses[0].contents == 1
    [content] = Copies(shop.settings()).read("shop").values()
    assert content.content == fetched._read["shop"]["offers"].content
    assert content.place == "cms shop, entry 1"
    assert content.content.bodies_of("b")["web", "de-at"] == "<p>ü</p>"


def test_what_one_entry_lacks_leaves_that_one_out(shop):
    shop.documents += [
        {"id": 2, **GOOD, "name": "Naughty Name"},
        {"id": 3, **GOOD, "name": "elsewhere", "slots": ["herro"]},
        {"id": 4, **GOOD, "name": "large", "body": "<p>" + "x" * 60_000},
        {"id": 5, **GOOD, "name": "unknown", "segments": ["nobody"]},
        {"id": 6, **GOOD, "name": "welcome"},
        {"id": 7, **GOOD, "name": "as-json", "body": {"a": 1}},
        {"id": 8, **GOOD, "name": "never", "behaviours": [{"attribute": "nothing", "at_least": 1}]},
        {"id": 9, **GOOD, "name": "for-all", "preferences": {"country": ["GB"]}, "priority": 9},
        {"id": 10, **GOOD, "name": "hidden", "preferences": {"country": ["GB"]}, "priority": 8},
    ]
    cache = shop.fetched()
    assert shown(cache) == "<p>Offers</p>"
    assert set(cache.rulebook.assets) == {"welcome", "offers", "for-all"}
    problems = cache.statuses[0].state.problems
    assert len(problems) == 8
    for says in (
        "entry 2: 'name': String should match",
        "entry 3 (elsewhere): slots: no 'herro' in conf/slots (did you mean 'hero'?)",
        "entry 4 (large): bodies.any.any: slot hero takes 50,000 bytes",
        "entry 5 (unknown): tags.segments: no segment 'nobody'",
        "entry 6 (welcome): conf/content/welcome.yaml has its name",
        "entry 7 (as-json): bodies.any.any: slot hero takes html, and it is json",
        "entry 8 (never): tags.behaviours: ",
        "entry 10 (hidden): tags: is never reached in slot hero: cms shop, entry 9, tags goes",
    ):
        assert any(says in one for one in problems), says


def test_a_new_answer_that_does_not_fit_leaves_everything_as_it_was(shop):
    """The rule shows `offers`: without it, the old set stays, and says so; also after a restart."""
    before = shop.fetched()
    shop.documents = [{"id": 2, **GOOD, "name": "other"}]
    cache = shop.fetched()
    assert shown(cache) == shown(before) == "<p>Offers</p>"
    state = cache.statuses[0].state
    assert "What it has now does not fit" in state.error
    assert "conf/rules/offers.yaml, show.content: no 'offers'" in state.error
    assert state.good_at < state.tried_at
    assert shown(shop.cache()) == "<p>Offers</p>"
    shop.documents.append({"id": 1, **GOOD, "body": "<p>Back</p>"})
    assert shown(shop.fetched()) == "<p>Back</p>"


def test_what_waited_before_keeps_nothing_else_out(shop):
    """A rule was deployed before its content: other content is shown meanwhile."""
    shop.write(
        "rules/soon",
        {
            "if": {"context": "page", "one_of": ["/soon"]},
            "show": {"slot": "hero", "content": "soon"},
        },
    )
    assert shown(shop.fetched()) == "<p>Offers</p>"
    shop.documents[0]["body"] = "<p>New</p>"
    cache = shop.fetched()
    assert shown(cache) == "<p>New</p>"
    assert list(cache.waiting) == ["soon"]
    shop.documents.append({"id": 2, **GOOD, "name": "soon", "body": "<p>Soon</p>"})
    assert shown(shop.fetched(), page="/soon") == "<p>Soon</p>"


FAULTS = {
    "500": lambda stub: (500, {}, b"boom"),
    "broken": lambda stub: (200, JSON, b'{"data": ['),
    "private redirect": lambda stub: (301, {"Location": "http://10.0.0.1/"}, b""),
    "hangs": lambda stub: (200, JSON, stub.hang()),
    "large": lambda stub: (200, JSON, (b" " * 100_000 for _ in range(500))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_content_is_served_stale_while_a_source_is_down(shop, fault):
    good = shop.fetched().statuses[0].state.good_at
    shop.stub.answer = lambda request: FAULTS[fault](shop.stub)
    began = time.monotonic()
    cache = shop.fetched()
    assert time.monotonic() - began < 20  # a server that hangs does so for a minute
    assert shown(cache) == "<p>Offers</p>"
    [status] = cache.statuses
    assert status.contents == 1
    assert status.state.error
    assert (status.state.failures, status.state.good_at) == (1, good)
    assert status.age_seconds >= (status.state.tried_at - good).total_seconds()


def test_no_request_waits_for_a_source_that_hangs(shop):
    shop.fetched()

    async def run():
        shop.stub.answer = lambda request: (200, JSON, shop.stub.hang())
        async with shop.service() as service:
            service.hook("shop", *CALL)
            await until(lambda: len(shop.stub.requests) == 2)
            slowest = 0.0
            for _ in range(200):
                began = time.perf_counter()
                assert shown(service.cache) == "<p>Offers</p>"
                slowest = max(slowest, time.perf_counter() - began)
                await asyncio.sleep(0)
            return slowest

    assert asyncio.run(run()) < 0.5  # the source is waited for a second


def test_what_happens_stands_in_the_log(shop, caplog):
    caplog.set_level("INFO", "sparkperso")
    shop.documents.append({"id": 2, **GOOD, "name": "X"})

    async def run():
        async with shop.service() as service:
            await until(
                lambda: any("Source shop is fresh: content 1" in one for one in caplog.messages)
            )
            shop.stub.answer = lambda request: (500, {}, b"")
            service.hook("shop", *CALL)
            await until(lambda: any("failure 1: " in one for one in caplog.messages))

    asyncio.run(run())
    text = "\n".join(caplog.messages)
    assert "Left out until its content is there: conf/rules/offers.yaml, show.content" in text
    assert "Source shop: left out: entry 2: 'name'" in text
    assert "Source shop, failure 1: http://127.0.0.1" in text


def test_a_webhook_has_the_source_asked_and_a_forged_one_does_not(shop):
    async def run():
        async with shop.service() as service:
            await until(lambda: shown(service.cache) == "<p>Offers</p>")
            shop.documents[0]["body"] = "<p>New</p>"
            asked = len(shop.stub.requests)
            for _ in range(3):
                with pytest.raises(Problem, match="secret"):
                    service.hook("shop", "POST", "/hooks", {b"x-webhook-secret": b"guess"}, b"")
            with pytest.raises(Problem, match="No source"):
                service.hook("other", *CALL)
            await asyncio.sleep(0.15)
            assert len(shop.stub.requests) == asked
            service.hook("shop", *CALL)
            await until(lambda: shown(service.cache) == "<p>New</p>")

    asyncio.run(run())


def test_many_calls_are_one_refresh_and_one_that_comes_meanwhile_another(shop):
    held, seen = threading.Event(), threading.Event()
    original = shop.stub.answer

    def slow(request):
        seen.set()
        held.wait(5)
        return original(request)

    async def run():
        async with shop.service() as service:
            await until(lambda: service.cache.statuses[0].state.good_at)
            shop.stub.requests.clear()
            shop.stub.answer = slow
            for _ in range(50):
                service.hook("shop", *CALL)
            await until(seen.is_set)
            for _ in range(50):
                service.hook("shop", *CALL)
            held.set()
            await until(lambda: len(shop.stub.requests) == 2)
            await asyncio.sleep(0.2)
            assert len(shop.stub.requests) == 2

    asyncio.run(run())


def test_a_source_is_asked_in_its_time_and_again_sooner_after_a_failure(shop, monkeypatch):
    shop.documents = [{"id": 1, **GOOD}]

    async def run():
        async with shop.service(cms={"refresh_seconds": 0.2, "jitter": 0.5}) as service:
            await until(lambda: shown(service.cache) == "<p>Offers</p>")
            shop.documents[0]["body"] = "<p>New</p>"
            await until(lambda: shown(service.cache) == "<p>New</p>")
        async with shop.service(cms={"refresh_seconds": 3600}) as service:
            service.hook("shop", *CALL)
            await until(lambda: service.cache.statuses[0].state.failures == 0)
            shop.stub.answer = lambda request: (500, {}, b"")
            service.hook("shop", *CALL)
            # Sooner than in an hour: 0.05, 0.1, 0.2 seconds after each other.
            await until(lambda: service.cache.statuses[0].state.failures >= 3)

    asyncio.run(run())


def test_a_copy_of_other_settings_is_shown_and_asked_for_anew(shop):
    shop.fetched()
    shop.documents[0] |= {"body": "<p>Old field</p>", "text": "<p>New field</p>"}

    async def run():
        fields = {"bodies": {"web": "text", "email": "text"}}
        async with shop.service(fields=fields) as service:
            assert shown(service.cache) == "<p>Offers</p>"
            await until(lambda: shown(service.cache) == "<p>New field</p>")

    asyncio.run(run())


def test_what_another_process_fetched_is_shown(shop):
    """Two services with one folder: one asks, both show it."""

    async def run():
        async with shop.service() as one, shop.service() as other:
            await until(lambda: shown(one.cache) == shown(other.cache) == "<p>Offers</p>")
            asked = len(shop.stub.requests)
            assert asked <= 2
            shop.documents[0]["body"] = "<p>New</p>"
            one.hook("shop", *CALL)
            await until(lambda: shown(other.cache) == "<p>New</p>")
            assert len(shop.stub.requests) == asked + 1
            assert other.cache.statuses[0].state.tried_at == one.cache.statuses[0].state.tried_at

    asyncio.run(run())


def test_a_copy_that_is_broken_is_none_and_a_process_keeps_what_it_has(shop):
    cache = shop.fetched()
    path = shop.folder / "copies" / "shop.json"
    whole = path.read_bytes()
    for broken in (
        whole[: len(whole) // 2],
        b"",
        b"[]",
        b"{}",
        b"\xff",
        whole.replace(b"hero", b"7"),
    ):
        path.write_bytes(broken)
        os.utime(path, ns=(1, time.time_ns()))
        cache.reload()
        assert shown(cache) == "<p>Offers</p>"
    path.write_bytes(whole[:20])
    fresh = shop.cache()
    assert shown(fresh) == "<p>Welcome</p>"
    assert list(fresh.waiting) == ["offers"]
    (shop.folder / "copies" / "shop.state.json").write_text("{")
    assert shop.cache().statuses[0].state.tried_at is None
    assert shown(shop.fetched()) == "<p>Offers</p>"


def test_html_of_a_copy_is_trusted_only_where_it_is_now(shop):
    shop.documents[0]["body"] = "<p onclick=x()>Hot</p>"
    trusting = shop.settings(trusted=True)
    serving = trusting.serving.model_copy(update={"trusted_content": True})
    trusting = trusting.model_copy(update={"serving": serving})

    async def run():
        async with open_content(trusting, ENVIRON, shop.folder / "conf") as service:
            await service.refresh.refresh("shop")
            return shown(service.cache)

    assert asyncio.run(run()) == "<p onclick=x()>Hot</p>"
    assert shown(shop.cache()) == "<p>Hot</p>"


def test_of_two_sources_the_first_ones_content_counts_and_both_are_asked(shop):
    other_documents = documents(
        {"id": 7, **GOOD, "body": "<p>Second</p>"}, {"id": 8, **GOOD, "name": "more"}
    )
    shop.write(
        "rules/more",
        {
            "if": {"context": "page", "one_of": ["/more"]},
            "show": {"slot": "hero", "content": "more"},
        },
    )
    with WebStub(lambda request: (200, JSON, json.dumps(other_documents).encode())) as second:
        settings = shop.settings()
        sources = {
            "shop": settings.cms.sources["shop"],
            "second": settings.cms.sources["shop"].model_copy(update={"base_url": second.url}),
        }
        both = settings.model_copy(
            update={"cms": settings.cms.model_copy(update={"sources": sources})}
        )

        async def run():
            async with open_content(both, ENVIRON, shop.folder / "conf") as service:
                await until(lambda: all(one.state.good_at for one in service.cache.statuses))
                # Which of the two answered first is chance: what is said of the second is of now.
                await service.refresh.refresh("second")
                return service.cache

        cache = asyncio.run(run())
    assert shown(cache) == "<p>Offers</p>"
    assert (cache.source_of("offers"), cache.source_of("more")) == ("shop", "second")
    first, last = cache.statuses
    assert (first.contents, last.contents) == (1, 1)
    assert last.state.problems == (
        "cms second, entry 7: source shop has the name 'offers' too, and comes first",
    )


def test_a_folder_that_takes_nothing_is_told_and_what_is_shown_stays(shop):
    shop.fetched()
    cache = shop.cache()
    folder = shop.folder / "copies"
    folder.rename(shop.folder / "away")
    folder.write_text("a file")
    from sparkperso.core.times import now

    with pytest.raises(JobError, match=r"cms\.folder"):
        cache.fail("shop", "x", now())
    assert shown(cache) == "<p>Offers</p>"
    cache.reload()
    assert shown(cache) == "<p>Offers</p>"


def test_a_clock_that_was_set_back_leaves_no_source_unasked(shop):
    shop.fetched()
    copies = Copies(shop.settings())
    state = copies.state("shop")
    ahead = state.model_copy(update={"tried_at": state.tried_at + timedelta(days=400)})
    copies.write_state("shop", ahead)

    async def run():
        async with shop.service(cms={"refresh_seconds": 0.1}) as service:
            shop.documents[0]["body"] = "<p>New</p>"
            await until(lambda: shown(service.cache) == "<p>New</p>")

    asyncio.run(run())
