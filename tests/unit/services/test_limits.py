"""Who may send how much: by site, by address, and decisions by a measure of their own."""

from __future__ import annotations

import pytest

from sparkperso.config.collect import CollectConfig, LimitsConfig
from sparkperso.services.http.addresses import Addresses
from sparkperso.services.http.limits import Buckets, ConcurrencyLimits, Rates
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey

PAGE = SiteKey("shop", "required", "web", ())
SERVER = SiteKey("shop", "required", "web", (), is_server=True)
FEW = LimitsConfig(
    events_per_second=100, events_per_second_and_address=10, decisions_per_second_and_address=2
)


def is_refused(take, *arguments):
    try:
        take(*arguments)
    except Problem as problem:
        return problem.status == 429 and int(problem.headers["Retry-After"]) > 0
    return False


def test_one_sender_is_stopped_and_others_are_not():
    rates = Rates(FEW, lambda: 0.0)
    taken = sum(not is_refused(rates.take_events, PAGE, "1.1.1.1", 5) for _ in range(100))
    assert taken == 4
    assert not any(is_refused(rates.take_events, PAGE, f"2.2.2.{n}", 5) for n in range(30))


def test_what_is_refused_costs_the_site_nothing():
    rates = Rates(FEW, lambda: 0.0)
    for _ in range(1000):
        is_refused(rates.take_events, PAGE, "1.1.1.1", 5)
    assert not is_refused(rates.take_events, PAGE, "2.2.2.2", 100)


def test_all_of_a_site_together_are_stopped_too():
    rates = Rates(FEW, lambda: 0.0)
    refused = [is_refused(rates.take_events, PAGE, f"1.1.1.{n}", 10) for n in range(40)]
    assert refused == [False] * 20 + [True] * 20
    assert is_refused(rates.take_events, SERVER, "9.9.9.9", 1)


def test_decisions_have_a_measure_of_their_own():
    rates = Rates(FEW, lambda: 0.0)
    while not is_refused(rates.take_events, PAGE, "1.1.1.1", 50):
        pass
    assert [is_refused(rates.take_decisions, PAGE, "1.1.1.1", 1) for _ in range(5)] == [
        *([False] * 4),
        True,
    ]
    assert not is_refused(rates.take_decisions, PAGE, "2.2.2.2", 1)


def test_a_servers_key_and_an_unknown_address_count_for_the_site_alone():
    rates = Rates(FEW, lambda: 0.0)
    for key, sender in ((SERVER, "1.1.1.1"), (PAGE, None)):
        assert not is_refused(rates.take_decisions, key, sender, 1000)
        assert not is_refused(rates.take_events, key, sender, 90)


def test_senders_are_forgotten_before_they_fill_the_memory():
    now = [0.0]
    buckets = Buckets(1.0, lambda: now[0], size=10)
    for number in range(1000):
        buckets.take(f"s{number}", 1)
    assert len(buckets._levels) == 10
    buckets.take("s999", 5)
    assert is_refused(buckets.take, "s999", 1)
    now[0] += 5.5
    assert not is_refused(buckets.take, "s999", 1)


def test_places_are_held_and_given_back():
    places = ConcurrencyLimits(2)
    with places.held("a") as first, places.held("a") as second, places.held("a") as third:
        assert (first, second, third) == (True, True, False)
        assert places.take("b")
        assert places.take(None)
    assert places.take("a")
    places.give_back("a")
    places.give_back("b")
    assert not places._held


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        ("203.0.113.9", b"", "203.0.113.9"),
        ("203.0.113.9", b"198.51.100.7", "203.0.113.9"),
        ("10.0.0.2", b"198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", b"1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", b"1.1.1.1, 198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("10.0.0.2", b"198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.2", b"[2001:db8::1:2]:4711", "2001:db8::/64"),
        ("10.0.0.2", b"2001:db8::9", "2001:db8::/64"),
        ("2001:db8:0:0:5::1%eth0", b"", "2001:db8::/64"),
        ("::ffff:203.0.113.9", b"", "203.0.113.9"),
        ("::ffff:10.0.0.2", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", b"", None),
        ("10.0.0.2", b"10.0.0.3", None),
        ("10.0.0.2", b"198.51.100.7, unknown", None),
        ("10.0.0.2", b"\xff" * 9999, None),
        ("10.0.0.2", b"," * 9999, None),
        (None, b"", None),
    ],
)
def test_the_sender_is_the_nearest_who_is_no_trusted_proxy(peer, forwarded, sender):
    addresses = Addresses(["10.0.0.0/8"])
    assert addresses.of_request(peer, {b"x-forwarded-for": forwarded}) == sender


def test_proxies_are_addresses_or_networks():
    assert Addresses(CollectConfig().trusted_proxies).of_peer("127.0.0.1") is None
    with pytest.raises(ValueError, match="proxy"):
        CollectConfig(trusted_proxies=("proxy.example",))
