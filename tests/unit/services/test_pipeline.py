"""The way of an event: who is asked, what is taken out, what is kept."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from dataclasses import replace

import pytest

from sparkperso.config import load_named, load_settings
from sparkperso.config.collect import LimitsConfig
from sparkperso.config.consent import ConsentConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.consent import after
from sparkperso.privacy import PersonalFields, Pseudonyms, load_keys
from sparkperso.services.collect.intake.consent_gate import ConsentGate
from sparkperso.services.collect.intake.consent_store import ConsentStore
from sparkperso.services.collect.intake.lane import Lane
from sparkperso.services.collect.intake.pipeline import Pipeline
from sparkperso.services.collect.intake.request_context import RequestContext, context_of
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.collect.routes.events import in_our_time
from sparkperso.services.http.limits import Rates
from sparkperso.services.http.problems import Problem, busy
from sparkperso.services.http.write_keys import SiteKey

PAGE = SiteKey("shop", "required", "web", ())
SITE = replace(PAGE, is_server=True)
ASSUMED = SiteKey("till", "assumed: contract", "server", ())
EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
FEW = LimitsConfig(events_per_second=100, events_per_second_and_address=10)
FACTS = RequestContext("2026-06-01T10:00:01.000000Z", "DE")


class MemorySink:
    def __init__(self):
        self.lines, self.is_full = [], False

    async def put(self, lines):
        if self.is_full:
            raise busy("full")
        self.lines += [json.loads(line) for _, line in lines]


@pytest.fixture
def shop(tmp_path):
    """Returns take(*events), with the sinks and decisions of one collector."""
    settings = load_settings()
    plan = load_named("tracking_plans", "default", TrackingPlan)
    store = ConsentStore(tmp_path / "consents.sqlite")
    guard = ConsentGate(
        Pseudonyms(load_keys(settings.privacy, "local", {})), settings.consent, store
    )
    events, recordings = MemorySink(), MemorySink()
    pipeline = Pipeline(
        LimitsConfig(), plan, guard, Metrics(plan.event_types), events=events, recordings=recordings
    )

    def take(*sent, key=SITE, facts=FACTS):
        return asyncio.run(pipeline.take(sent, key, facts))

    take.events, take.recordings, take.pipeline = events, recordings, pipeline
    return take


def consent(**purposes):
    return EVENT | {"event_type": "consent", "metadata": {"purposes": purposes}}


def statuses(results):
    return [result["status"] for result in results]


def test_nothing_is_kept_before_a_yes_and_nothing_after_a_no(shop):
    assert shop(EVENT) == [{"status": "refused", "reason": "no_consent", "purpose": "analytics"}]
    assert shop.events.lines == []
    shop(consent(analytics=True))
    assert statuses(shop(EVENT, EVENT | {"event_type": "session_recording"})) == [
        *("accepted", "refused")
    ]
    shop(consent(analytics=False))
    assert statuses(shop(EVENT)) == ["refused"]
    assert [line["event_type"] for line in shop.events.lines] == ["consent", "click", "consent"]


def test_a_yes_counts_once_its_proof_is_kept_and_a_no_at_once(shop):
    shop.events.is_full = True
    with pytest.raises(Exception, match="full"):
        shop(consent(analytics=True))
    shop.events.is_full = False
    assert statuses(shop(EVENT)) == ["refused"]
    shop(consent(analytics=True))
    shop.events.is_full = True
    with pytest.raises(Exception, match="full"):
        shop(consent(analytics=False))
    shop.events.is_full = False
    assert statuses(shop(EVENT)) == ["refused"]


def test_a_no_outweighs_an_assumed_basis_and_says_so_in_no_line(shop):
    assert statuses(shop(EVENT, key=ASSUMED)) == ["accepted"]
    assert shop.events.lines[0]["collected"]["basis"] == "assumed: contract"
    shop(consent(analytics=False), key=ASSUMED)
    assert statuses(shop(EVENT, key=ASSUMED)) == ["refused"]


def test_a_browsers_signal_is_a_no_in_an_opt_out_region(shop):
    california = RequestContext(FACTS.received_at, "US")
    assert statuses(shop(EVENT, facts=california)) == ["accepted"]
    assert statuses(shop(EVENT, facts=california._replace(opted_out=True))) == ["refused"]


@pytest.mark.parametrize("purposes", [{}, {"analytics": 1}, {"espionage": True}, None, []])
def test_a_consent_that_says_nothing_clear_is_invalid(shop, purposes):
    event = EVENT | {"event_type": "consent", "metadata": {"purposes": purposes}}
    assert statuses(shop(event)) == ["invalid"]


def test_no_personal_value_reaches_a_sink_and_people_stay_apart(shop):
    def event(name):
        return EVENT | {
            "user_id": name,
            "metadata": {"email": name, "note": f"write to {name}, card 4111 1111 1111 1111"},
        }

    shop(event("ada@example.org"), event("bob@example.org"), event("Ada@Example.org"), key=ASSUMED)
    assert "example.org" not in json.dumps(shop.events.lines).lower()
    assert "4111" not in json.dumps(shop.events.lines)
    ada, bob, again = (line["user_id"] for line in shop.events.lines)
    assert ada == again != bob
    assert ada.startswith("k1:email:")
    assert {line["metadata"]["note"] for line in shop.events.lines} == {
        "write to [email], card [card]"
    }
    assert [line["collected"]["masked"] for line in shop.events.lines] == [3, 3, 3]


def test_consent_given_under_an_address_holds_for_events_under_it(shop):
    shop(consent(analytics=True) | {"user_id": "ada@example.org"})
    assert statuses(shop(EVENT | {"user_id": "ada@example.org"})) == ["accepted"]


def test_recordings_lie_apart(shop):
    film = EVENT | {"event_type": "session_recording", "metadata": {"events": "x" * 100_000}}
    assert statuses(shop(film, EVENT, key=ASSUMED)) == ["accepted", "accepted"]
    assert [line["event_type"] for line in shop.recordings.lines] == ["session_recording"]
    assert [line["event_type"] for line in shop.events.lines] == ["click"]


def test_the_cookie_names_who_names_nobody(shop):
    event = {key: EVENT[key] for key in ("event_type", "timestamp")}
    assert statuses(shop(event, key=ASSUMED)) == ["invalid"]
    shop(event, key=ASSUMED, facts=FACTS._replace(anonymous_id="a-1"))
    assert shop.events.lines[0]["anonymous_id"] == "a-1"


def test_accounts_that_an_alias_joins_stay_apart_when_they_are_addresses(shop):
    alias = EVENT | {"event_type": "alias"}
    names = ["ada@example.org", "bob@example.org"]
    for name in names:
        shop(alias | {"metadata": {"previous_id": name}}, EVENT | {"user_id": name}, key=ASSUMED)
    joined = [line["metadata"]["previous_id"] for line in shop.events.lines[::2]]
    assert joined == [line["user_id"] for line in shop.events.lines[1::2]]
    assert len(set(joined)) == 2
    assert "example.org" not in json.dumps(shop.events.lines)


def test_a_yes_from_a_clock_that_is_ahead_cannot_outlast_the_next_decisions(shop):
    ahead = consent(analytics=True) | {"timestamp": "2030-01-01T00:00:00Z"}
    later = [RequestContext(f"2026-06-01T10:0{n}:00.000000Z", "DE") for n in (1, 2)]
    shop(ahead)
    shop(consent(analytics=False), facts=later[0])
    assert statuses(shop(EVENT)) == ["refused"]
    shop(consent(analytics=True) | {"timestamp": later[1].received_at}, facts=later[1])
    assert statuses(shop(EVENT)) == ["accepted"]


def test_what_ingest_will_refuse_is_said_in_the_result_and_kept(shop):
    fine, unknown, nothing = shop(
        EVENT,
        EVENT | {"event_type": "größe_gewählt"},
        EVENT | {"event_type": "item_view"},
        key=ASSUMED,
    )
    assert "warning" not in fine
    assert unknown["warning"].startswith("event_type 'gr\\xf6\\xdfe_gew\\xe4hlt' is not in the")
    assert nothing["warning"].startswith("item_id is not given")
    assert statuses([fine, unknown, nothing]) == ["accepted"] * 3
    assert len(shop.events.lines) == 3


def test_a_write_key_agrees_for_a_device_and_refuses_for_all_who_are_named(shop):
    mixed = consent(analytics=True, marketing=False) | {"anonymous_id": "a-1", "event_id": "e"}
    assert shop(mixed, key=PAGE)[0] == {"status": "accepted", "event_id": "e"}
    assert [
        (line["event_id"], line.get("user_id"), line.get("anonymous_id"), line["metadata"])
        for line in shop.events.lines
    ] == [
        ("e", None, "a-1", {"purposes": {"analytics": True, "marketing": False}}),
        ("e:user", "u", None, {"purposes": {"marketing": False}}),
    ]
    assert statuses(shop(EVENT | {"anonymous_id": "a-1"}, EVENT, key=PAGE)) == [
        *("accepted", "refused")
    ]
    shop(consent(analytics=False), key=PAGE)
    assert statuses(shop(EVENT | {"anonymous_id": "a-1"}, key=PAGE)) == ["refused"]


def test_a_yes_for_a_user_id_alone_needs_the_servers_key(shop):
    (result,) = shop(consent(analytics=True), key=PAGE)
    assert (result["status"], "server key" in result["problem"]) == ("invalid", True)
    assert statuses(shop(EVENT, key=PAGE)) == ["refused"]
    assert shop.events.lines == []
    shop(consent(analytics=True), key=SITE)
    assert statuses(shop(EVENT, key=PAGE)) == ["accepted"]


@pytest.mark.parametrize("spelling", ["Consent", " consent ", "CONSENT"])
def test_a_type_is_what_ingest_takes_it_for_however_it_is_written(shop, spelling):
    forged = consent(analytics=True) | {"event_type": spelling, "user_id": "victim"}
    assert statuses(shop(forged, key=PAGE)) == ["invalid"]
    withdrawal = consent(analytics=False) | {"event_type": spelling, "session_id": "s"}
    assert statuses(shop(EVENT, withdrawal, EVENT, key=ASSUMED)) == [
        *("accepted", "accepted", "refused")
    ]
    assert [line.get("session_id") for line in shop.events.lines] == [None, None]
    assert shop.events.lines[1]["event_type"] == "consent"


def test_a_person_is_the_same_with_blanks_around_their_id(shop):
    shop(consent(analytics=False), key=ASSUMED)
    assert statuses(shop(EVENT | {"user_id": " u "}, key=ASSUMED)) == ["refused"]
    shop(consent(analytics=True) | {"user_id": "v "}, key=SITE)
    assert statuses(shop(EVENT | {"user_id": "v", "anonymous_id": "  "}, key=PAGE)) == ["accepted"]
    assert [line["user_id"] for line in shop.events.lines] == ["u", "v", "v"]
    assert shop.pipeline.decisions(ASSUMED, {"user_id": " u"})["analytics"] is False


def test_purpose_and_personal_fields_go_by_the_type_however_it_is_written(shop):
    shop(consent(analytics=True))
    sent = [EVENT | {"event_type": kind} for kind in ("Email_Open", "SESSION_RECORDING ")]
    assert [result["purpose"] for result in shop(*sent)] == ["marketing", "recording"]
    shop(EVENT | {"event_type": " Identify", "metadata": {"name": "Ada"}})
    assert "Ada" not in json.dumps(shop.events.lines)


def test_a_device_that_calls_itself_as_a_user_is_called_agrees_for_no_user(shop):
    forged = {name: value for name, value in consent(analytics=True).items() if name != "user_id"}
    assert statuses(shop(forged | {"anonymous_id": "u"}, key=PAGE)) == ["accepted"]
    assert statuses(shop(EVENT, key=PAGE)) == ["refused"]


def test_who_agrees_anew_in_a_browser_is_heard_there_and_nowhere_else(shop):
    times = [f"2026-06-01T10:0{n}:00.000000Z" for n in range(4)]
    first, second = (EVENT | {"anonymous_id": f"a-{n}"} for n in (1, 2))

    def decide(event, said, at):
        whole = event | {"event_type": "consent", "metadata": {"purposes": {"analytics": said}}}
        shop(whole | {"timestamp": times[at]}, key=PAGE, facts=RequestContext(times[at], "DE"))

    decide(first, True, 0)
    decide(second, True, 1)
    decide(second, False, 2)
    assert statuses(shop(first, second, key=PAGE)) == ["refused", "refused"]
    decide(first, True, 3)
    assert statuses(shop(first, second, EVENT, key=PAGE)) == ["accepted", "refused", "refused"]


def test_a_view_that_fails_costs_nobody_an_event(shop, capfd):
    shop.pipeline.watchers.append(lambda *_: 1 / 0)
    assert statuses(shop(EVENT, key=ASSUMED)) == ["accepted"]
    assert len(shop.events.lines) == 1


def test_who_sends_too_much_is_told_so_and_their_no_is_heard(tmp_path, shop):
    crowd = FACTS._replace(sender="203.0.113.9")
    shop(consent(analytics=True))
    assert statuses(shop(EVENT, key=PAGE)) == ["accepted"]
    shop.pipeline._rates = Rates(FEW, lambda: 0.0)
    shop(*[5] * 50, key=PAGE, facts=crowd)
    for _ in range(3):
        with pytest.raises(Problem, match="address") as refusal:
            shop(EVENT, consent(analytics=False), key=PAGE, facts=crowd)
    assert refusal.value.status == 429
    assert statuses(shop(EVENT, key=PAGE)) == ["refused"]
    other = consent(analytics=False) | {"user_id": "v"}
    assert statuses(shop(other, key=PAGE, facts=crowd)) == ["accepted"]
    assert statuses(shop(other, key=PAGE)) == ["accepted"]


def test_one_senders_nonsense_delays_no_other_withdrawal(shop):
    shop.pipeline._rates = Rates(FEW, lambda: 0.0)
    for number in range(20):
        facts = FACTS._replace(sender=f"203.0.113.{number}")
        shop(*[5] * 10, key=PAGE, facts=facts)
    with pytest.raises(Problem, match="site"):
        shop(EVENT, key=PAGE)
    assert statuses(shop(consent(analytics=False), key=PAGE)) == ["accepted"]


def test_an_event_of_nobody_says_so_since_its_browser_may_have_lost_the_cookie(shop):
    nobody = {name: EVENT[name] for name in ("event_type", "timestamp")}
    known = FACTS._replace(anonymous_id="a-" + "0" * 32)
    assert [r.get("reason") for r in shop(nobody, EVENT | {"event_type": ""})] == [
        "no_person",
        None,
    ]
    assert shop(nobody, facts=known)[0].get("reason") != "no_person"


HOSTILE = ["a@b.de ", "4 ", "%25", "４１ ", "a [at] b.de "]


def cpu_seconds(work):
    started = time.process_time()
    work()
    return time.process_time() - started


@pytest.mark.parametrize("unit", HOSTILE)
def test_bounds_and_consent_come_before_the_search_for_personal_values(shop, unit):
    """A megabyte that is not kept costs as good as nothing."""
    long = EVENT | {"metadata": {"note": "😀" + unit * (1_000_000 // len(unit.encode()))}}
    film = long | {"event_type": "session_recording"}

    def send():
        assert statuses(shop(long, key=ASSUMED)) == ["invalid"]
        assert statuses(shop(film)) == ["refused"]  # as long as a recording may be

    assert cpu_seconds(send) < 0.5
    for event in (long, film):
        assert statuses(shop(event | {"metadata": {"a": [{}] * 20_000}}, key=ASSUMED)) == [
            "invalid"
        ]


def nested(levels):
    return json.loads("[" * levels + "]" * levels)


@pytest.mark.parametrize(
    "field", ["metadata", "context", "timestamp", "value", "event_type", "strange"]
)
def test_an_event_that_is_nested_too_deeply_is_invalid_wherever_it_is(shop, field):
    assert statuses(shop(EVENT | {field: {"a": nested(900)}}, key=ASSUMED)) == ["invalid"]


@pytest.mark.parametrize("unit", HOSTILE)
def test_twice_the_text_takes_twice_the_time_on_the_whole_way(shop, unit):
    def film(size):
        text = "😀" + unit * (size // len(unit.encode()))
        return EVENT | {"event_type": "session_recording", "metadata": {"text": text}}

    once, twice = (
        min(cpu_seconds(lambda size=size: shop(film(size), key=ASSUMED)) for _ in range(2))
        for size in (50_000, 100_000)
    )
    assert twice < 3 * once + 0.05
    assert len(shop.recordings.lines) == 4


def test_a_heavy_event_holds_up_nobody_and_the_lane_has_an_end(shop):
    film = EVENT | {"event_type": "session_recording", "metadata": {"text": "a@b.de " * 100_000}}

    async def both():
        heavy = asyncio.create_task(shop.pipeline.take([film], ASSUMED, FACTS))
        served = 0
        while not heavy.done():
            assert statuses(await shop.pipeline.take([EVENT], ASSUMED, FACTS)) == ["accepted"]
            await asyncio.sleep(0)
            served += 1
        return served, await heavy

    served, results = asyncio.run(both())
    assert served > 5
    assert statuses(results) == ["accepted"]
    assert shop.recordings.lines[0]["metadata"]["text"] == "[email] " * 100_000
    assert shop.recordings.lines[0]["collected"]["masked"] == 100_000

    async def many():
        lane = Lane(max_waiting=100)
        first = asyncio.create_task(lane.run(lambda: time.sleep(0.05), 90))
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="waits to be searched"):
            await lane.run(list, 20)
        await first
        return await lane.run(list, 200)

    assert asyncio.run(many()) == []


def names():
    return map("".join, itertools.product("abcdefghijklmnopqrst", repeat=4))


def test_many_small_events_of_many_values_hold_up_nobody_either(shop):
    own = names()
    events = [
        EVENT | {"metadata": {next(own): {"email": "x"} for _ in range(100)}} for _ in range(300)
    ]

    async def both():
        heavy = asyncio.create_task(shop.pipeline.take(events, ASSUMED, FACTS))
        await asyncio.sleep(0)
        assert statuses(await shop.pipeline.take([EVENT], ASSUMED, FACTS)) == ["accepted"]
        return heavy.done(), set(statuses(await heavy))

    assert asyncio.run(both()) == (False, {"accepted"})


def test_a_strangers_names_do_not_keep_out_those_of_others_for_good():
    personal = PersonalFields(["metadata.email"])
    for name in itertools.islice(names(), 20_000):
        personal.meaning(name)
    assert personal.meaning("title") is personal.meaning("title")
    assert personal.meaning("email")[1] == "personal"


def test_a_time_of_any_length_costs_nothing():
    long = f"2026-06-01T10:00:00.{'1' * 900_000}Z"

    def send():
        in_our_time([EVENT] * 500, long, FACTS.received_at)

    assert cpu_seconds(send) < 0.2


def test_a_no_in_a_heavy_request_holds_at_once(shop):
    shop(consent(analytics=True, recording=True))
    film = EVENT | {"event_type": "session_recording", "metadata": {"text": "a@b.de " * 50_000}}

    async def both():
        heavy = asyncio.create_task(
            shop.pipeline.take([film, consent(analytics=False)], SITE, FACTS)
        )
        await asyncio.sleep(0)
        assert not heavy.done()
        return await shop.pipeline.take([EVENT], SITE, FACTS), await heavy

    light, heavy = asyncio.run(both())
    assert (statuses(light), statuses(heavy)) == (["refused"], ["accepted", "accepted"])


def test_a_consent_event_carries_nothing_but_the_decision(shop):
    event = EVENT | {
        "event_type": "consent", "event_id": "e", "anonymous_id": "a", "session_id": "s",
        "item_id": "i", "value": 9.5, "currency": "EUR", "channel": "web",
        "metadata": {
            "purposes": {"analytics": False}, "policy_version": "2", "region": "DE",
            "method": "banner", "viewed": ["p1", "p2"], "email": "ada@example.org",
        },
        "context": {"page_url": "https://shop.example/s", "country": "DE", "device_type": "mobile"},
    }  # fmt: skip
    shop(event, event | {"metadata": event["metadata"] | {"method": "x" * 65, "region": {"a": 1}}})
    line, other = shop.events.lines
    assert line.keys() == {
        *EVENT,
        "event_id",
        "anonymous_id",
        "channel",
        "metadata",
        "context",
        "collected",
    }
    assert line["metadata"] == {
        "purposes": {"analytics": False}, "policy_version": "2", "region": "DE", "method": "banner",
    }  # fmt: skip
    assert line["context"] == {"country": "DE"}
    assert other["metadata"] == {"purposes": {"analytics": False}, "policy_version": "2"}


def test_a_decision_arrives_after_what_stands_before_it_in_whatever_spelling(shop):
    shop(EVENT, consent(analytics=False) | {"event_type": " Consent "}, key=ASSUMED)
    click, no = [line["collected"]["received_at"] for line in shop.events.lines]
    assert click < no


def test_events_of_a_request_are_counted_by_type_and_outcome(shop):
    typo = EVENT | {"event_type": "clikc"}
    shop(EVENT, EVENT, typo, EVENT | {"timestamp": "no"}, 5, key=ASSUMED)
    counts = [
        line.partition("_events_total")[2]
        for line in shop.pipeline._metrics.text().decode().splitlines()
        if line.startswith("sparkperso_collect_events_total")
    ]
    labels = '{{event_type="{}",purpose="",site="till",status="{}"}} {}'
    assert sorted(counts) == sorted(
        labels.format(*one)
        for one in [
            ("click", "accepted", 2.0),
            ("click", "invalid", 1.0),
            ("other", "accepted", 1.0),
            ("other", "invalid", 1.0),
        ]
    )


def decision(second, **purposes):
    return consent(**purposes) | {"timestamp": f"2026-06-01T10:00:00.{second}00Z"}


def test_decisions_of_a_batch_hold_for_what_follows_and_for_nothing_before(shop):
    yes, no, again = (
        decision(1, analytics=True), decision(2, analytics=False), decision(3, analytics=True)
    )  # fmt: skip
    click = EVENT
    assert statuses(shop(click, yes, click, no, click, again, click)) == [
        "refused", "accepted", "accepted", "accepted", "refused", "accepted", "accepted",
    ]  # fmt: skip
    assert statuses(shop(click)) == ["accepted"]
    arrived = [line["collected"]["received_at"] for line in shop.events.lines[:5]]
    assert arrived == sorted(arrived)
    assert arrived[0] < arrived[2] < arrived[3]  # so that ingest judges alike
    assert statuses(shop(no, click)) == ["accepted", "refused"]


def test_a_late_yes_of_a_batch_undoes_no_later_no(shop):
    shop(decision(5, analytics=False))
    assert statuses(shop(decision(4, analytics=True), EVENT)) == ["accepted", "refused"]
    assert statuses(shop(decision(6, analytics=True), EVENT)) == ["accepted", "accepted"]


def test_a_yes_whose_request_was_not_stored_holds_for_nothing_later(shop):
    shop.events.is_full = True
    with pytest.raises(Problem, match="full"):
        shop(consent(analytics=True), EVENT)
    shop.events.is_full = False
    assert statuses(shop(EVENT)) == ["refused"]


def test_decisions_of_a_batch_add_up_as_stored_ones_do(tmp_path):
    chosen = random.Random(3)
    store = ConsentStore(tmp_path / "c.sqlite")
    for round_, count in itertools.product(range(40), (1, 4, 9)):
        subject, found = f"{round_}-{count}", {}
        for _ in range(count):
            said = {p: chosen.random() < 0.5 for p in chosen.sample(["analytics", "marketing"], 1)}
            at = f"2026-06-01T10:00:0{chosen.randrange(4)}.000000Z"
            store.put_all("shop", [("user_id", subject, said, at)])
            found = after(found, said, at)
        assert store.get("shop", "user_id", subject) == found


@pytest.fixture
def california(shop):
    """The shop under a policy that asks for a yes in Germany and California, and nowhere else."""
    policy = ConsentConfig(
        opt_in_regions=("DE", "US-CA"), opt_out_regions=("US",), default="opt_out"
    )
    guard = shop.pipeline._guard
    shop.pipeline._guard = ConsentGate(guard.pseudonyms, policy, guard.decisions)
    return shop


@pytest.mark.parametrize(
    ("context", "status", "region"),
    [
        ({"country": "US", "region": "US-CA"}, "refused", None),
        ({"country": "US", "region": "CA"}, "refused", None),
        ({"region": "us-ca"}, "refused", None),
        ({"country": "US", "region": "US-NY"}, "accepted", "US-NY"),
        ({"country": "US", "region": "DE-BE"}, "accepted", "US"),
        ({"country": "de"}, "refused", None),
        ({"country": "UK"}, "accepted", "GB"),
        ({"country": "nowhere", "region": ["DE"]}, "accepted", None),
        ({}, "accepted", None),
    ],
)  # fmt: skip
def test_an_event_says_where_it_happened_in_each_sdks_shape(california, context, status, region):
    nowhere = FACTS._replace(region=None)
    assert statuses(california(EVENT | {"context": context}, facts=nowhere)) == [status]
    assert [line["collected"]["region"] for line in california.events.lines] == (
        [region] if status == "accepted" else []
    )


@pytest.mark.parametrize(
    ("region", "context", "status"),
    [
        ("US", {}, "accepted"),
        ("US", {"country": "US", "region": "US-CA"}, "refused"),
        ("DE", {"country": "US"}, "refused"),
        ("US", {"country": "DE"}, "accepted"),  # the proxy knows
        (None, {"country": "US"}, "accepted"),
        (None, {"country": "DE"}, "refused"),
    ],
)
def test_a_proxys_word_goes_first_and_the_strictest_region_holds(
    california, region, context, status
):
    facts = FACTS._replace(region=region, has_region_header=True)
    assert statuses(california(EVENT | {"context": context}, facts=facts)) == [status]


def test_behind_a_proxy_that_does_not_know_an_event_makes_nothing_less_strict(shop):
    unknown = FACTS._replace(region=None, has_region_header=True)
    abroad = EVENT | {"context": {"country": "US"}}
    assert statuses(shop(abroad, facts=unknown)) == ["refused"]
    assert statuses(shop(abroad, facts=unknown._replace(has_region_header=False))) == ["accepted"]
    headers = {b"cf-ipcountry": b"XX"}
    assert context_of(headers, b"cf-ipcountry", None).region is None
    assert context_of(headers, b"cf-ipcountry", None).has_region_header
    assert context_of({b"cf-ipcountry": b"us-ca"}, b"cf-ipcountry", None).region == "US-CA"
    assert not context_of(headers, None, None).has_region_header


def test_ids_of_items_and_orders_that_look_like_cards_stay_apart(shop):
    cards = ["4111111111111111", "5555555555554444", "30569309025904"]
    for card in cards:
        shop(
            EVENT | {"item_id": card, "metadata": {"order_id": int(card), "note": card}},
            key=ASSUMED,
        )
    assert [line["item_id"] for line in shop.events.lines] == cards
    assert [line["metadata"]["order_id"] for line in shop.events.lines] == [int(c) for c in cards]
    assert {line["metadata"]["note"] for line in shop.events.lines} == {"[card]"}


def test_personal_names_and_traits_reach_no_sink(shop):
    traits = {
        "name": "Ada",
        "address": {"city": "Köln"},
        "dateOfBirth": "1990-01-01",
        "plan": "pro",
    }
    for kind in ("page_view", "identify", "group", "alias"):
        metadata = {"traits": traits, "mobile": "+49 30 1", "form": {"first name": "Ada"}}
        shop(EVENT | {"event_type": kind, "metadata": metadata}, key=ASSUMED)
    text = json.dumps(shop.events.lines, ensure_ascii=False)
    assert not any(word in text for word in ("Ada", "Köln", "1990", "+49"))
    assert [line["metadata"]["traits"]["plan"] for line in shop.events.lines] == ["pro"] * 4
