"""Messages of the tracking API become events."""

from __future__ import annotations

import json
import random
import time

import pytest

from sparkperso.config.collect import LimitsConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.services.collect.intake.event_validation import Invalid, check_event
from sparkperso.services.collect.intake.sales import SaleLimits
from sparkperso.services.collect.routes.event_names import event_type_of
from sparkperso.services.collect.routes.tracking_api import messages_of
from sparkperso.services.collect.routes.tracking_map import events_of
from sparkperso.services.http.problems import Problem

NOW = "2026-06-01T10:00:00.000000Z"


def all_of(**message):
    """Returns the events of a message, as they pass the checks that all events go through."""
    events = events_of({"userId": "u", **message}, None, NOW)
    for event in events:
        check_event(event, LimitsConfig())
    return events


def one(**message):
    (event,) = events_of({"userId": "u", **message}, None, NOW)
    return event


def track(name="Signed Up", **properties):
    (event,) = all_of(type="track", event=name, properties=properties)
    return event


def order(name="Order Completed", **properties):
    events = all_of(type="track", event=name, messageId="m", properties=properties)
    return [(e["event_id"], e.get("item_id"), e.get("value"), e.get("currency")) for e in events]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Product Added", "add_to_cart"),
        ("Order Refunded", "refund"),
        ("order completed", "purchase"),
        ("OrderCompleted ", "purchase"),
        ("product_viewed", "item_view"),
        ("Signed Up", "signed_up"),
        ("videoPlayed", "video_played"),
        ("item_view", "item_view"),
        ("Größe gewählt", "größe_gewählt"),
        ("Gro\u0308ße", "größe"),
        ("Видео просмотрено", "видео_просмотрено"),
        ("ВидеоПросмотрено", "видео_просмотрено"),
        ("商品1", "商品1"),
        ("注文1", "注文1"),
        ("वीडियो देखा", "वीडियो_देखा"),
        ("تمت المشاهدة", "تمت_المشاهدة"),
        ("👍 given", "👍_given"),
        ("👎 given", "👎_given"),
        ("!!!", "!!!"),
        ("  ", ""),
        ("", ""),
    ],
)
def test_names_become_types(name, kind):
    assert event_type_of(name) == kind


def test_a_type_is_its_own_type_and_can_be_an_event_of_a_tracking_plan():
    chance = random.Random(1)
    letters = "aB9 _-!ßİǅΣςяЖ日が้ी\u0308\u200d👍²½é"
    for _ in range(3000):
        kind = event_type_of("".join(chance.choices(letters, k=chance.randint(1, 12))))
        assert event_type_of(kind) == kind
        assert kind.lower() == kind
        if kind:
            check_event(one(type="page") | {"event_type": kind}, LimitsConfig())
    assert event_type_of("Größe" * 100_000)
    plan = TrackingPlan(name="p", event_types={"größe_gewählt": {"required": ["item_id"]}})
    assert plan.purpose_of(event_type_of("Größe gewählt")) == "analytics"


@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp"])
def test_a_clients_wrong_clock_is_set_right(name):
    """As Segment's servers do: timestamp = receivedAt - (sentAt - timestamp)."""
    event = one(type="page", sentAt="2026-06-01T13:00:00Z", **{name: "2026-06-01T12:59:00Z"})
    assert event["timestamp"] == "2026-06-01T09:59:00+00:00"
    slow = one(type="page", sentAt="1970-01-02T00:00:00.000Z", **{name: "1970-01-01T23:00:00Z"})
    assert slow["timestamp"] == "2026-06-01T09:00:00+00:00"
    history = one(type="page", sentAt=NOW, **{name: "2020-01-01T00:00:00Z"})
    assert history["timestamp"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("message", "timestamp"),
    [
        ({"timestamp": "2026-01-01T00:00:00Z"}, "2026-01-01T00:00:00Z"),
        ({}, NOW),
        ({"timestamp": "", "originalTimestamp": ""}, NOW),
        ({"originalTimestamp": "soon", "sentAt": "2026-06-01T13:00:00Z"}, "soon"),
        ({"timestamp": "2026-06-01T09:00:00Z", "sentAt": "then"}, "2026-06-01T09:00:00Z"),
        ({"timestamp": "2026-06-01T09:00:00Z", "sentAt": {}}, "2026-06-01T09:00:00Z"),
        # A request is under way for seconds: the clock is right.
        (
            {"timestamp": "2026-06-01T09:00:00Z", "sentAt": "2026-06-01T09:59:57Z"},
            "2026-06-01T09:00:00Z",
        ),
        # A server between set `timestamp` right already.
        (
            {
                "timestamp": "2026-06-01T09:00:00Z",
                "originalTimestamp": "2026-06-01T12:00:00Z",
                "sentAt": "2026-06-01T13:00:00Z",
            },
            "2026-06-01T09:00:00Z",
        ),
        # Nothing that could be a time comes out.
        (
            {"timestamp": "2199-12-31T00:00:00Z", "sentAt": "1970-01-01T00:00:00Z"},
            "2199-12-31T00:00:00Z",
        ),
    ],
)
def test_other_times_are_taken_as_they_are(message, timestamp):
    assert one(type="page", **message)["timestamp"] == timestamp


def test_an_order_is_one_event_per_product_and_its_values_are_those_of_its_lines():
    products = [{"sku": "a", "price": 2.5, "quantity": 2}, {"product_id": "b", "price": 4}]
    properties = {"products": products, "total": 9, "currency": "EUR", "order_id": "o"}
    message = {"userId": "u", "type": "track", "event": "Order Completed", "messageId": "m"}
    events = events_of(message | {"properties": properties}, None, NOW)
    found = [(e["event_id"], e["item_id"], e["value"], e["currency"]) for e in events]
    assert found == [("m:0", "a", 5.0, "EUR"), ("m:1", "b", 4, "EUR")]
    assert all(event["metadata"]["order_id"] == "o" for event in events)


def test_numbers_may_be_sent_as_text():
    assert order(products=[{"sku": "a", "price": "15.00", "quantity": "3"}], total="45") == [
        ("m:0", "a", 45.0, None)
    ]
    assert track(revenue="25.00")["value"] == 25.0
    assert track("Product Added", sku="a", price="2.5", quantity="2")["value"] == 5.0
    assert track("Product Reviewed", product_id="a", rating="4", value=99)["value"] == 4.0


@pytest.mark.parametrize(
    "decoration",
    [
        {"value": "red"},
        {"rating": "PG-13"},
        {"revenue": "1,299.00"},
        {"value": True},
        {"value": [5]},
        {"currency": ""},
        {"currency": "Euro"},
        {"currency": 978},
        {"product_id": ["a", "b"]},
        {"product_id": {"id": 1}},
        {"product_id": "a\nb"},
        {"sku": "x" * 513},
        {"price": "on request", "quantity": "two"},
        {"price": 1e308, "quantity": 1e308},
        {"products": [{"product_id": "a"}]},
        {"products": "none"},
        {"constructor": "Ferrari"},
        {"__proto__": {"admin": True}},
        {"channel": "fax"},
    ],
)
@pytest.mark.parametrize("name", ["Signed Up", "Product Viewed", "Cart Viewed", "Order Completed"])
def test_what_only_decorates_an_event_stays_in_its_metadata(name, decoration):
    if name == "Order Completed" and isinstance(decoration.get("products"), list):
        return
    event = track(name, **decoration)
    assert event["metadata"] == {"event": name, **decoration}
    assert not {"value", "item_id", "currency"} & event.keys()


def test_what_fits_is_found_beside_what_does_not():
    event = track("Product Viewed", product_id=["a"], sku=12.0, value="red", revenue="5", rating=3)
    assert (event["item_id"], event["value"]) == ("12", 5.0)
    assert track("Product Viewed", product_id="a", rating=4.5, price=20)["value"] == 20
    assert track(currency="eur")["currency"] == "EUR"


@pytest.mark.parametrize(
    ("products", "lines"),
    [
        # PHP writes a list with a gap as an object.
        ({"0": {"sku": "a", "price": 1}, "2": {"sku": "b", "price": 2}}, [("a", 1), ("b", 2)]),
        ({"product_id": "a", "price": 4, "quantity": 2}, [("a", 8)]),
        ([{"sku": "a", "price": 1}, None, {"sku": "b", "price": "2"}], [("a", 1), ("b", 2)]),
        (["a"], [("a", 30)]),
        ([{"product_id": "a"}], [("a", 30)]),
        # Two products that have no price: only the order as a whole is worth something.
        (["a", "b"], [(None, 30)]),
        ([{"product_id": "a"}, {"product_id": "b"}], [(None, 30)]),
        ([], [(None, 30)]),
        ({}, [(None, 30)]),
        ("a, b", [(None, 30)]),
    ],
)
def test_products_of_a_sale_come_in_many_forms(products, lines):
    found = order(products=products, total=30, currency="EUR")
    assert [(item, value) for _, item, value, _ in found] == lines
    assert {currency for *_, currency in found} == {"EUR"}


def test_lines_take_no_more_room_than_a_request_has():
    """A megabyte of empty products, each of which repeats its order's properties."""
    message = {"userId": "u", "type": "track", "event": "Order Completed"}
    many = {"products": [{}] * 300_000, "note": "x" * 100_000}
    started = time.process_time()
    with pytest.raises(Invalid, match="10000 products at most"):
        events_of(message | {"properties": many}, None, NOW)
    long = {"products": [{"price": 1}] * 9_000, "note": "x" * 10_000}
    with pytest.raises(Invalid, match="9000 products"):
        events_of(message | {"properties": long}, None, NOW)
    assert time.process_time() - started < 1
    room = SaleLimits()
    small = message | {"properties": {"products": [{}] * 6_000}}
    assert len(events_of(small, None, NOW, room)) == 6_000
    with pytest.raises(Invalid, match="the orders of a request"):
        events_of(small, None, NOW, room)


LONG = "x" * 60_000
BESIDE = [
    {"messageId": LONG},
    {"userId": LONG},
    {"event": "purchase" + "." * 60_000},
    {"context": {"page": {"url": LONG}}},
    {"properties": {"context": {}}, "context": {"page": {"url": LONG}}},
]


@pytest.mark.parametrize("beside", BESIDE)
def test_all_that_lines_repeat_of_their_message_takes_room(beside):
    """Nine thousand lines that each have 60 kB of their message along would be half a gigabyte."""
    message = {"userId": "u", "type": "track", "event": "Order Completed", **beside}
    message["properties"] = {**message.get("properties", {}), "products": [{"sku": "1"}] * 9_000}
    with pytest.raises(Invalid, match="9000 products"):
        events_of(message, None, NOW)


def test_what_a_batch_says_for_all_its_messages_takes_room():
    each, room = {"type": "identify", "userId": "u"}, SaleLimits()
    body = {"batch": [each] * 500, "context": {"traits": {"a": "x" * 10_000}}}
    assert len(messages_of(body, None, 500, room)) == 500
    with pytest.raises(Problem, match="each message repeats it") as refusal:
        messages_of(body, None, 500, room)
    assert refusal.value.status == 413
    own = {**body, "batch": [each | {"context": {}}] * 500}
    assert len(messages_of(own, None, 500, room)) == 500


@pytest.mark.parametrize("kind", [[], ["track"], {}, {"a": 1}, 5, True, None])
def test_a_type_that_is_no_name_is_the_fault_of_its_message(kind):
    with pytest.raises(Invalid, match="type should be track"):
        events_of({"type": kind, "userId": "u"}, None, NOW)


def test_a_sale_that_is_nested_too_deeply_is_the_fault_of_its_message():
    deep = json.loads("[" * 900 + "]" * 900)
    message = {"userId": "u", "type": "track", "event": "purchase"}
    with pytest.raises(Invalid, match="nested too deeply"):
        events_of(message | {"properties": {"a": deep, "products": [{}, {}]}}, None, NOW)


TRAITS = {"email": "ada@example.org", "plan": "gold", "country": "DE"}


def test_traits_of_identify_lie_at_the_top_and_those_of_other_calls_together():
    assert one(type="identify", traits=TRAITS)["metadata"] == TRAITS
    assert one(type="identify", context={"traits": TRAITS})["metadata"] == TRAITS
    group = one(type="group", groupId="g", traits={"name": "Club"}, context={"traits": TRAITS})
    assert group["metadata"] == {"group_id": "g", "traits": {"name": "Club"}}
    assert one(type="page", name="Home", traits=TRAITS)["metadata"] == {
        "name": "Home",
        "traits": TRAITS,
    }


@pytest.mark.parametrize("kind", ["track", "page", "screen", "alias", "group"])
def test_traits_in_the_context_go_with_identify_alone(kind):
    message = {"type": kind, "event": "e", "groupId": "g", "previousId": "p"}
    event = one(**message, context={"traits": TRAITS, "page": {"url": "https://a/"}})
    assert "example.org" not in str(event)


@pytest.mark.parametrize("odd", [7, [], ["a"], "web", {"device": 7, "channel": ["x"]}])
def test_a_context_that_is_none_kills_no_message(odd):
    assert one(type="identify", context=odd, traits={})["context"] == {}


def test_context_keeps_what_an_event_has_room_for():
    context = {
        "ip": "10.0.0.1", "userAgent": "x", "device": {"type": "ios"}, "os": {"name": "iOS"},
        "location": {"country": "DE"}, "page": {"url": "https://a/"}, "campaign": {"name": "june"},
    }  # fmt: skip
    assert one(type="page", context=context)["context"] == {
        "device_type": "mobile", "os": "iOS", "country": "DE", "page_url": "https://a/",
        "campaign": "june",
    }  # fmt: skip


@pytest.mark.parametrize(
    "message", [None, {"type": "track"}, {"type": "x"}, {"type": "page", "properties": 1}]
)
def test_what_is_no_message_is_named(message):
    with pytest.raises(Invalid):
        events_of(message, None, NOW)


def test_a_screen_is_mobile_whatever_the_message_says_of_itself():
    assert events_of({"userId": "u"}, "screen", NOW)[0]["channel"] == "mobile"
    assert "channel" not in events_of({"userId": "u"}, "page", NOW)[0]
