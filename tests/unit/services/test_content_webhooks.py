"""Webhooks: only the system itself is believed, once, and in time."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from tests.cms import settings_for

from sparkperso.services.content.webhooks import Webhooks, signature
from sparkperso.services.http.problems import Problem

SECRET = "0123456789abcdef" * 4
NOW = 1_790_000_000.0
PATH = "/v1/content/hooks/shop"
BODY = b'{"sys": {"type": "Entry", "id": "m1"}}'
VECTOR = b"c4c44b2789b2166d0f488c143d33c755b41c4f51d119fe7a0d56955438e5bf3a"
"""What @contentful/node-apps-toolkit 3.16.1 (`signRequest`) signs the request below with."""


def webhooks(clock=lambda: NOW, **config):
    kind = "contentful" if config.get("check") == "contentful" else "strapi"
    settings = settings_for("http://127.0.0.1:9", kind, webhook={"secret_env": "HOOK", **config})
    return Webhooks(settings, {"HOOK": SECRET}, clock)


def signed(at=NOW, method="POST", path=PATH, body=BODY, secret=SECRET, **more):
    """A request as Contentful signs it: written down here once more, from its description."""
    headers = {
        "x-contentful-topic": "ContentManagement.Entry.publish",
        "x-contentful-timestamp": str(int(at * 1000)),
        **more,
    }
    names = sorted([*headers, "x-contentful-signed-headers"])
    headers["x-contentful-signed-headers"] = ",".join(names)
    text = "\n".join([method, path, ";".join(f"{n}:{headers[n]}" for n in names), body.decode()])
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["x-contentful-signature"] = digest
    return {name.encode(): value.encode() for name, value in headers.items()}


def refused(check, *, source="shop", path=PATH, headers=None, body=BODY, method="POST"):
    with pytest.raises(Problem) as caught:
        check.check(source, method, path, headers or {}, body)
    return caught.value.status, caught.value.detail


def test_the_secret_in_a_header_is_the_sources_own():
    check = webhooks(delay_seconds=3)
    good = {b"x-webhook-secret": SECRET.encode()}
    assert check.check("shop", "POST", PATH, good, BODY) == 3
    for wrong in ({}, {b"x-webhook-secret": b""}, {b"x-webhook-secret": SECRET[:-1].encode()}):
        assert refused(check, headers=wrong)[0] == 401
    named = webhooks(header="authorization")
    assert named.check("shop", "POST", PATH, {b"authorization": SECRET.encode()}, b"") == 1
    assert refused(named, headers=good)[0] == 401


def test_a_source_that_is_none_or_has_no_webhook_is_not_there():
    assert refused(webhooks(), source="other")[0] == 404
    plain = Webhooks(settings_for("http://127.0.0.1:9"), {})
    assert refused(plain)[0] == 404


def test_a_request_that_contentful_signed_is_taken_once():
    check = webhooks(check="contentful")
    assert check.check("shop", "POST", PATH, signed(), BODY) == 1
    assert refused(check, headers=signed()) == (401, "The request was taken before.")
    assert check.check("shop", "POST", PATH, signed(at=NOW - 1), BODY) == 1


def test_nothing_of_a_signed_request_may_be_changed():
    check = webhooks(check="contentful")
    good = signed()
    for changed in (
        {"path": PATH + "x"},
        {"path": PATH + "?a=b"},
        {"method": "PUT"},
        {"body": BODY + b" "},
        {"body": b""},
    ):
        assert refused(check, headers=good, **changed)[0] == 401
    for name in good:
        for value in (good[name] + b"0", b"", b"1"):
            assert refused(check, headers={**good, name: value})[0] == 401
        assert refused(check, headers={n: v for n, v in good.items() if n != name})[0] == 401
    assert refused(check, headers=signed(secret="another secret of the tests"))[0] == 401
    assert check.check("shop", "POST", PATH, good, BODY) == 1


def test_a_time_that_is_not_signed_counts_for_nothing():
    """Else an old request with a new time would be a new one."""
    check = webhooks(check="contentful")
    good = signed(at=NOW - 3600)
    listed = b"x-contentful-signed-headers,x-contentful-topic"
    late = {**good, b"x-contentful-timestamp": b"%d" % (NOW * 1000)}
    assert refused(check, headers={**late, b"x-contentful-signed-headers": listed})[0] == 401
    # Signed with the secret, but for the time.
    names = b"x-contentful-signed-headers:x-contentful-signed-headers"
    text = b"\n".join((b"POST", PATH.encode(), names, BODY))
    forged = {
        b"x-contentful-signed-headers": b"x-contentful-signed-headers",
        b"x-contentful-timestamp": b"%d" % (NOW * 1000),
        b"x-contentful-signature": hmac.new(SECRET.encode(), text, "sha256").hexdigest().encode(),
    }
    assert refused(check, headers=forged)[0] == 401


@pytest.mark.parametrize(("late", "is_taken"), [(59, True), (61, False), (-9, True), (-11, False)])
def test_a_request_is_taken_within_a_minute(late, is_taken):
    check = webhooks(check="contentful")
    if is_taken:
        assert check.check("shop", "POST", PATH, signed(at=NOW - late), BODY)
    else:
        assert refused(check, headers=signed(at=NOW - late)) == (
            401,
            "It should be sent within 60 seconds.",
        )


def test_behind_a_proxy_the_path_that_was_signed_is_configured():
    check = webhooks(check="contentful", path="/hooks/cms")
    assert check.check("shop", "POST", PATH, signed(path="/hooks/cms"), BODY)


def test_odd_times_and_headers_are_no_signature():
    for at in (b"", b"x", b"-1", b"1.5", b"9" * 5000, "٣".encode()):
        headers = {b"x-contentful-timestamp": at, b"x-contentful-signed-headers": b""}
        if not at.isdigit():
            assert signature(b"s" * 16, "POST", PATH, headers, BODY) == b""
    assert signature(b"s" * 16, "POST", PATH, {b"x-contentful-timestamp": b"1"}, BODY) == b""


def test_the_signature_is_the_one_of_contentfuls_own_toolkit():
    headers = {
        b"x-contentful-timestamp": b"1603379941037",
        b"x-contentful-topic": b"ContentManagement.Entry.publish",
        b"x-contentful-signed-headers": (
            b"x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic"
        ),
    }
    assert signature(b"a" * 64, "POST", "/hooks", headers, b'{"a":"\xc3\xa9"}') == VECTOR
