"""Rates: who sends too much is refused, and nobody else; processes count together."""

from __future__ import annotations

import asyncio

import pytest

from sparkperso.config.security import SCOPES, ApiKeyConfig, RequestLimitsConfig, SecurityConfig
from sparkperso.services.access.caller import OWN_SCOPES, Caller
from sparkperso.services.access.rates import RequestRates
from sparkperso.services.access.shared_rates import (
    LATEST_ROUNDS,
    MOST_SENDERS,
    SHARE,
    SharedBuckets,
    SharedRates,
)
from sparkperso.services.http.limits import BURST_SECONDS, Buckets
from sparkperso.services.http.problems import Problem

SERVICE = Caller("service", "crm", SCOPES, "service:login:crm")
KEY = Caller("key", "shop", SCOPES, "key:shop")
SLOW = Caller("key", "slow", SCOPES, "key:slow")
LIMITS = RequestLimitsConfig(
    requests_per_second=100,
    requests_per_second_and_user=5,
    requests_per_second_and_address=20,
    refusals_per_second_and_address=2,
)
OWN_RATE = ApiKeyConfig(id="0" * 12, sha256="0" * 64, scopes=("recommend",), requests_per_second=3)
CONFIG = SecurityConfig(limits=LIMITS, api_keys={"slow": OWN_RATE})


def user(name):
    return Caller("user", name, OWN_SCOPES["user"], f"user:{name}", until=1e12)


def is_refused(take, *arguments):
    try:
        take(*arguments)
    except Problem as problem:
        return problem.status == 429 and int(problem.headers["Retry-After"]) > 0
    return False


def served(take, *arguments, of=1000):
    return sum(not is_refused(take, *arguments) for _ in range(of))


@pytest.fixture
def rates():
    return RequestRates(CONFIG, clock=lambda: 0.0)


@pytest.mark.parametrize(
    ("caller", "rate"),
    [(SERVICE, 100), (KEY, 100), (SLOW, 3), (user("u"), 5)],
    # Of sets no text is the same in two processes, which have to collect the same tests.
    ids=["service", "key", "slow", "user"],
)
def test_a_caller_is_served_to_its_rate_and_burst(rates, caller, rate):
    assert served(rates.take, caller, "1.1.1.1") == rate * BURST_SECONDS


def test_one_who_sends_too_much_takes_nothing_from_others(rates):
    for caller in (SERVICE, SLOW, user("u")):
        served(rates.take, caller, "1.1.1.1")
    assert not is_refused(rates.take, KEY, "1.1.1.1")
    assert not is_refused(rates.take, user("v"), "1.1.1.1")


def test_an_address_holds_all_of_its_people_and_no_service(rates):
    taken = sum(not is_refused(rates.take, user(f"u{n}"), "1.1.1.1") for n in range(1000))
    assert taken == 20 * BURST_SECONDS
    assert not is_refused(rates.take, user("u999"), "2.2.2.2")
    assert served(rates.take, SERVICE, "1.1.1.1", of=150) == 150


def test_a_refused_user_costs_others_at_the_address_nothing(rates):
    served(rates.take, user("u"), "1.1.1.1")
    taken = sum(not is_refused(rates.take, user(f"v{n}"), "1.1.1.1") for n in range(100))
    assert taken == (20 - 5) * BURST_SECONDS


def test_an_address_that_is_not_known_is_not_counted(rates):
    assert sum(not is_refused(rates.take, user(f"u{n}"), None) for n in range(1000)) == 1000
    rates.count_refusal(None)
    rates.require_few_refusals(None)


def test_after_some_wrong_tokens_an_address_is_not_listened_to(rates):
    assert served(rates.count_refusal, "1.1.1.1") == 2 * BURST_SECONDS
    assert is_refused(rates.require_few_refusals, "1.1.1.1")
    assert not is_refused(rates.require_few_refusals, "2.2.2.2")


class Memory:
    """Counters that all processes of a test share; it can be down."""

    def __init__(self):
        self.counts, self.calls, self.is_down = {}, 0, False

    async def incr(self, key, expiry, amount=1):
        assert expiry > 0
        self.calls += 1
        if self.is_down:
            raise ConnectionError
        self.counts[key] = self.counts.get(key, 0) + amount
        return self.counts[key]

    async def close(self):
        pass


class Process:
    """One process with a service's buckets of 100 requests per second."""

    def __init__(self, memory, clock, rate=100.0):
        self.shared = SharedRates(memory, 1.0)
        self.buckets = self.shared.share("service", Buckets(rate, clock))

    def ask(self, count, sender="shop"):
        return served(self.buckets.take, sender, 1, of=count)


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


def let_through(processes, clock, seconds, offered, sender="shop"):
    """Returns what each second lets through, of `offered` requests to each process."""
    answers = []
    for _ in range(seconds):
        part = 0
        for _ in range(10):
            clock.now += 0.1
            part += sum(process.ask(offered // 10, sender) for process in processes)
        for process in processes:
            asyncio.run(process.shared.settle())
        answers.append(part)
    return answers


@pytest.mark.parametrize("n_processes", [1, 2, 4])
@pytest.mark.parametrize("offered", [80, 300])
def test_processes_together_let_through_one_rate(clock, n_processes, offered):
    memory = Memory()
    processes = [Process(memory, clock) for _ in range(n_processes)]
    answers = let_through(processes, clock, 20, offered)
    settled = answers[5:]
    wanted = min(100, offered * n_processes)
    assert abs(sum(settled) / len(settled) - wanted) <= 0.1 * wanted
    assert sum(answers) <= 100 * 20 * 1.1 + n_processes * 100 * (BURST_SECONDS + 1)


def test_without_redis_each_process_holds_its_own_limit_and_says_so_once(clock, caplog):
    memory = Memory()
    memory.is_down = True
    processes = [Process(memory, clock) for _ in range(2)]
    answers = let_through(processes, clock, 10, 300)
    assert abs(sum(answers[5:]) / 5 - 200) <= 20
    assert processes[0].shared.failure == "ConnectionError"
    assert caplog.text.count("each process alone") == 2
    memory.is_down = False
    answers = let_through(processes, clock, 10, 300)
    assert processes[0].shared.failure is None
    assert abs(sum(answers[5:]) / 5 - 100) <= 10
    assert caplog.text.count("together again") == 2


def test_who_asked_while_redis_was_away_is_forgotten(clock):
    memory = Memory()
    memory.is_down = True
    shared = SharedRates(memory, 1.0)
    kinds = [shared.share(kind, Buckets(1.0, clock)) for kind in ("user", "address")]
    for number in range(50):
        for buckets in kinds:
            buckets.take(f"s{number}", 1)
        asyncio.run(shared.settle())
    assert not any(buckets._asked or buckets._seen for buckets in kinds)


def test_redis_that_comes_back_with_old_counts_refuses_nobody(clock):
    memory = Memory()
    processes = [Process(memory, clock) for _ in range(2)]
    let_through(processes, clock, 5, 60)
    memory.is_down = True
    let_through(processes, clock, 2, 60)
    memory.counts = dict.fromkeys(memory.counts, 10**9)
    memory.is_down = False
    assert min(let_through(processes[:1], clock, 5, 60)) == 60


def test_a_counter_that_began_anew_refuses_nobody(clock):
    memory = Memory()
    processes = [Process(memory, clock) for _ in range(2)]
    let_through(processes, clock, 5, 40)
    memory.counts.clear()
    assert min(let_through(processes, clock, 5, 40)) == 80


def test_a_part_of_a_bucket_waits_longer():
    now = [0.0]
    buckets = Buckets(10.0, lambda: now[0])
    buckets.parts = {"shop": 0.25}
    assert served(buckets.take, "shop", 1) == 10.0 * BURST_SECONDS * 0.25
    buckets.parts = {}
    now[0] = 1.0
    assert served(buckets.take, "shop", 1) == 10
    buckets.parts = {"shop": 0.01}
    buckets.leave("shop", -5.0)
    with pytest.raises(Problem) as problem:
        buckets.check("shop")
    assert problem.value.headers["Retry-After"] == "51"


def test_a_process_with_more_of_the_demand_has_more_of_the_rate(clock):
    memory = Memory()
    few, many = Process(memory, clock), Process(memory, clock)
    taken = [0, 0]
    for second in range(40):
        clock.now += 1
        for place, (process, demand) in enumerate(((few, 50), (many, 450))):
            served_now = process.ask(demand)
            taken[place] += served_now if second >= 10 else 0
            asyncio.run(process.shared.settle())
    assert 9 * 30 <= taken[0] <= 11 * 30
    assert 85 * 30 <= taken[1] <= 95 * 30


def test_few_who_send_little_need_redis_and_many_who_send_much_are_bounded(clock):
    memory = Memory()
    process = Process(memory, clock, rate=20.0)
    for number in range(1000):
        process.ask(int(20 / SHARE), f"u{number}")
    asyncio.run(process.shared.settle())
    assert memory.calls == 0
    for number in range(MOST_SENDERS * 2):
        process.ask(3 if number else 30, f"u{number}")
    asyncio.run(process.shared.settle())
    assert memory.calls == MOST_SENDERS
    assert memory.counts[process.buckets.key("u0")] == 30


def test_counters_tell_nobodys_name(clock):
    buckets = SharedBuckets("address", Buckets(1.0, clock))
    assert "203.0.113.9" not in buckets.key("203.0.113.9")
    assert buckets.key("a") != buckets.key("b")
    assert buckets.key("a") != SharedBuckets("user", Buckets(1.0, clock)).key("a")


def test_counters_of_who_is_silent_are_forgotten(clock):
    memory = Memory()
    process = Process(memory, clock)
    let_through([process], clock, 1, 100, "gone")
    let_through([process], clock, LATEST_ROUNDS + 1, 100, "here")
    assert list(process.buckets._seen) == ["here"]
    assert not process.buckets._asked
