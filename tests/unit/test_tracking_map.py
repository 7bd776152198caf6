"""Messages of the tracking API become events."""

from __future__ import annotations

import pytest

from sparkperso.collect.checks import Invalid
from sparkperso.collect.tracking_map import event_type_of, events_of

NOW = "2026-06-01T10:00:00.000000Z"


def one(**message):
    (event,) = events_of({"userId": "u", **message}, None, NOW)
    return event


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Product Added", "add_to_cart"),
        ("Order Refunded", "refund"),
        ("Signed Up", "signed_up"),
        ("videoPlayed", "video_played"),
        ("item_view", "item_view"),
    ],
)
def test_names_become_types(name, kind):
    assert event_type_of(name) == kind


def test_a_clients_wrong_clock_is_set_right():
    event = one(
        type="page", originalTimestamp="2026-06-01T12:59:00Z", sentAt="2026-06-01T13:00:00Z"
    )
    assert event["timestamp"] == "2026-06-01T09:59:00+00:00"
    assert one(type="page", timestamp="2026-01-01T00:00:00Z")["timestamp"] == "2026-01-01T00:00:00Z"
    assert one(type="page")["timestamp"] == NOW
    assert one(type="page", originalTimestamp="soon")["timestamp"] == "soon"


def test_an_order_is_one_event_per_product_and_its_values_are_those_of_its_lines():
    products = [{"sku": "a", "price": 2.5, "quantity": 2}, {"product_id": "b", "price": 4}]
    properties = {"products": products, "total": 9, "currency": "EUR", "order_id": "o"}
    message = {"userId": "u", "type": "track", "event": "Order Completed", "messageId": "m"}
    events = events_of(message | {"properties": properties}, None, NOW)
    found = [(e["event_id"], e["item_id"], e["value"], e["currency"]) for e in events]
    assert found == [("m:0", "a", 5.0, "EUR"), ("m:1", "b", 4, "EUR")]
    assert all(event["metadata"]["order_id"] == "o" for event in events)


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
