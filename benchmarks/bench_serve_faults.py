"""The API while things break around it: what its clients see.

    python benchmarks/bench_serve_faults.py                  all faults, some three minutes
    python benchmarks/bench_serve_faults.py --only redis     one of them
    python benchmarks/bench_serve_faults.py --scale 0.3      shorter, as the tests have it

Of each: answers by status, the server's own errors (5xx), answers that name another person or show
another person's items, connections that broke, and what was to be seen. Real processes of
`sparkperso serve`, real Redis, real LMDB; publishers and servers are killed by SIGKILL. Exits with
1 where an answer is a 5xx or somebody else's. Writes benchmarks/results/serve_faults.json.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from joserfc import jwt
from joserfc.jwk import ECKey

from sparkperso.config import load_settings
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.api import Api, running_api
from sparkperso.testing.redis import redis_server
from sparkperso.testing.serving import release, stored_list

RESULTS = Path(__file__).parent / "results"
TOKEN = {"Authorization": "Bearer local-dev-token"}
USERS = [f"u{number}" for number in range(300)]
MANY = [
    "security.limits.requests_per_second=1e9",
    "security.limits.requests_per_second_and_user=1e9",
    "security.limits.requests_per_second_and_address=1e9",
    "security.limits.refusals_per_second_and_address=1e9",
]
SWITCH_SECONDS = 0.1


@dataclass
class Seen:
    """What clients saw of one fault."""

    what: str
    statuses: Counter[str] = field(default_factory=Counter)
    strangers: int = 0
    """Answers that name another person, or show another person's items."""
    broken: int = 0
    """Connections that ended without an answer."""
    remarks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What should not have been."""

    def add(self, status: int) -> None:
        """Counts an answer."""
        self.statuses[str(status)] += 1

    @property
    def errors(self) -> int:
        """Returns how many answers were errors of the server."""
        return sum(n for status, n in self.statuses.items() if status.startswith("5"))

    def require(self, is_so: bool, fault: str) -> None:
        """Notes a fault where something is not so."""
        if not is_so:
            self.faults.append(fault)

    def row(self) -> dict[str, Any]:
        """Returns it as the results have it."""
        return {
            "fault": self.what,
            "requests": self.statuses.total() + self.broken,
            "statuses": dict(sorted(self.statuses.items())),
            "5xx": self.errors,
            "others_data": self.strangers,
            "broken_connections": self.broken,
            "remarks": self.remarks,
            "faults": self.faults,
        }


@dataclass(frozen=True)
class Answer:
    """One answer of a list, as it came."""

    at: float
    seconds: float
    status: int
    version: str | None
    fallback: str | None
    user: str


def shows_others(user: str, document: dict[str, Any]) -> bool:
    """Says whether a list is not of who was asked for: items bear the name of their person."""
    items = (one["item_id"] for one in document["items"])
    return document["user_id"] != user or any(
        not one.startswith((f"{user}-", "popular-")) for one in items
    )


class Load:
    """Asks for lists of random people, on connections that are kept, as long as the block runs."""

    def __init__(
        self, api: Api, seen: Seen, threads: int = 4, tokens: dict[str, str] | None = None
    ):
        self._port, self._seen, self._tokens = int(api.url.rpartition(":")[2]), seen, tokens
        self.answers: list[Answer] = []
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(threads)]

    def __enter__(self) -> Load:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for one in self._threads:
            one.join()

    def _ask(self, number: int) -> None:
        chosen, connection = random.Random(number), None
        while not self._is_over.is_set():
            user = chosen.choice(USERS)
            headers = TOKEN if self._tokens is None else {"Authorization": self._tokens[user]}
            connection = connection or HTTPConnection("127.0.0.1", self._port, timeout=10)
            begun = time.monotonic()
            try:
                connection.request("GET", f"/v1/recommendations/{user}?n=5", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.getheader("connection") == "close":
                    connection.close()
            except (OSError, HTTPException):
                connection.close()
                connection = None
                with self._lock:
                    self._seen.broken += 1
                time.sleep(0.02)
                continue
            self._note(user, begun, answer.status, body)

    def _note(self, user: str, begun: float, status: int, body: bytes) -> None:
        document = json.loads(body)
        version, fallback = document.get("store_version"), document.get("fallback")
        moment = time.monotonic()
        with self._lock:
            self._seen.add(status)
            self._seen.strangers += status == 200 and shows_others(user, document)
            self.answers.append(Answer(moment, moment - begun, status, version, fallback, user))

    def wait(self, seconds: float) -> None:
        """Lets the load go on for so long."""
        time.sleep(seconds)

    def until(self, holds: Callable[[Answer], bool], seconds: float = 30) -> float | None:
        """Waits for an answer of which something holds; returns the seconds, None for too many."""
        begun, place = time.monotonic(), len(self.answers)
        while time.monotonic() - begun < seconds:
            while place < len(self.answers):
                if holds(self.answers[place]):
                    return self.answers[place].at - begun
                place += 1
            time.sleep(0.005)
        return None


def records(mark: str = "") -> dict[str, dict[str, bytes]]:
    lists = {user: stored_list([f"{user}-{mark}{n}" for n in range(20)]) for user in USERS}
    popular = {"global": stored_list([f"popular-{n}" for n in range(50)], "popularity")}
    return {"lists.new": lists, "popular": popular}


def store_of(lake: Path, *sets: str) -> Any:
    return open_store(load_settings("local", None, sets, str(lake)))


@contextmanager
def serving(folder: Path, *sets: str, workers: int = 1, limits: bool = False) -> Iterator[Api]:
    words = [word for one in (*([] if limits else MANY), *sets) for word in ("--set", one)]
    with running_api(folder, *words, "--workers", str(workers), log=folder / "log") as api:
        for _ in range(1000):
            if get(api, "/readyz")[0] == 200 and len(api.workers) == workers:
                break
            time.sleep(0.02)
        yield api


def get(api: Api, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", int(api.url.rpartition(":")[2]), timeout=10)
    try:
        connection.request("GET", path, headers=headers or TOKEN)
        answer = connection.getresponse()
        body = answer.read()
        is_json = "json" in (answer.getheader("content-type") or "")
        return answer.status, json.loads(body) if is_json else body
    finally:
        connection.close()


def metric(api: Api, name: str) -> float:
    _, text = get(api, "/metrics")
    lines = [line for line in text.decode().splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def redis_killed(folder: Path, scale: float) -> Seen:
    seen = Seen("Redis is killed, and comes back without anything")
    with redis_server(folder) as redis:
        sets = ["store.kind=redis", f"store.redis.url={redis.url}"]
        release(store_of(folder, *sets), records())
        with serving(folder, *sets) as api, Load(api, seen) as load:
            load.wait(2 * scale)
            redis.stop()
            noticed = load.until(lambda a: a.fallback in {"store_down", "store_slow"})
            load.wait(3 * scale)
            seen.require(get(api, "/healthz")[0] == 200, "it should live on")
            redis.start()
            name = release(store_of(folder, *sets), records("again"))
            back = load.until(lambda a: a.version == name and a.fallback is None)
            load.wait(1 * scale)
            slowest = max(answer.seconds for answer in load.answers)
    seen.require(back is not None, "it should read the new version")
    seen.remarks.append(
        f"fallbacks after {ms(noticed)}; the new version {ms(back)} after it was published; "
        f"slowest answer {slowest * 1000:.0f} ms"
    )
    return seen


def file_cut_off(folder: Path, scale: float) -> Seen:
    seen = Seen("LMDB's file is cut off under two workers (SIGBUS)")
    store = store_of(folder)
    good = release(store, records("good"))
    broken = release(store, {**records(), "similar": {f"i{n}": b"x" * 400 for n in range(20_000)}})
    # They look for versions rarely: somebody reads before anybody sees that the file is shorter.
    with serving(folder, "api.refresh_seconds=60", workers=2) as api, Load(api, seen) as load:
        before = api.workers
        load.wait(1.5 * scale)
        os.truncate(folder / "_serving" / "versions" / broken / "records.mdb", 8192)
        back = load.until(lambda a: a.version == good)
        load.wait(2 * scale + 1)
        died = [pid for pid in before if pid not in api.workers]
        ends = metric(api, 'sparkperso_serve_worker_ends_total{cause="SIGBUS"}')
        late = [a.version for a in load.answers[-50:]]
    seen.require(back is not None, "the last good version should be read")
    seen.require(set(late) == {good}, "nobody should read the broken one again")
    seen.require("is not read, but" in (folder / "log").read_text(), "the log should say so")
    seen.remarks.append(
        f"{len(died)} of 2 workers died ({ends:.0f} by SIGBUS); the last good version answers "
        f"after {ms(back)}"
    )
    return seen


PUBLISHER = """
import sys
from pathlib import Path
from sparkperso.config import load_settings
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.serving import release, stored_list
store = open_store(load_settings("local", None, (), sys.argv[1]))
users = [f"u{n}" for n in range(100_000)]
lists = {user: stored_list([f"{user}-{n}" for n in range(5)]) for user in users}
popular = {"global": stored_list([f"popular-{n}" for n in range(50)], "popularity")}
print("ready", flush=True)
sys.stdin.readline()
print(release(store, {"lists.new": lists, "popular": popular}), flush=True)
"""


def publisher_killed(folder: Path, scale: float) -> Seen:
    count = max(3, round(20 * scale))
    seen = Seen(f"a publisher is killed half-way, {count} times")
    store, chosen, killed, late = store_of(folder), random.Random(7), 0, 0
    current, longest = release(store, records()), 0.0
    with serving(folder, "api.refresh_seconds=0.2") as api, Load(api, seen, threads=2) as load:
        while killed < count:
            # The first one is let through, to know how long it takes; and who was quicker than that
            # had switched before it was killed.
            seconds = chosen.uniform(0.02, 0.8) * longest if longest else None
            took, is_done = publish_and_kill(folder, seconds)
            longest = longest or took
            late += is_done and seconds is not None
            killed += not is_done
            if is_done:
                current = store.chain()[0]
            seen.require(store.chain()[0] == current, "the chain should name whole versions alone")
            store.open(current).close()
            load.wait(0.3)
            seen.require(
                get(api, "/readyz")[1]["problem"] is None, "a killed publisher should break nothing"
            )
            if late > 3 * count:
                seen.require(False, "publications should take longer than that")
                break
        seen.require(load.until(lambda a: a.version == current, 10) is not None, "not the current")
    seen.remarks.append(
        f"a publication takes {longest:.1f} s; {killed} were killed before they switched ({late} "
        "more had switched already); each time the current version was whole, and was served"
    )
    return seen


def publish_and_kill(folder: Path, seconds: float | None) -> tuple[float, bool]:
    """Publishes in a process that is killed after `seconds`.

    Returns how long it took, and whether it had switched.
    """
    store = store_of(folder)
    before = store.chain()[0]
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        begun = time.monotonic()
        process.stdin.write(b"\n")
        process.stdin.flush()
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
        process.stdout.readline()
        took = time.monotonic() - begun
    return took, store.chain()[0] != before


def beyond_the_limit(folder: Path, scale: float) -> Seen:
    seen = Seen("a hundred times the rate that a caller has")
    release(store_of(folder), records())
    rate = 10
    sets = [f"security.limits.requests_per_second={rate}"]
    with serving(folder, *sets, limits=True) as api:
        begun = time.monotonic()
        with Load(api, seen, threads=8) as load:
            load.wait(max(2, 5 * scale))
        took = time.monotonic() - begun
        lives = get(api, "/healthz")[0]
        slowest = max(answer.seconds for answer in load.answers)
    asked, taken = seen.statuses.total() / took, seen.statuses["200"]
    seen.require(set(seen.statuses) <= {"200", "429"}, "200 and 429 alone")
    seen.require(taken <= rate * (took + 2) + 1, "no more than the rate")
    seen.require(lives == 200, "it should live on")
    seen.remarks.append(
        f"{asked:,.0f} a second asked, {rate} allowed; {taken} answered, the rest 429; slowest "
        f"answer {slowest * 1000:.0f} ms"
    )
    return seen


# fmt: off
NAUGHTY = [
    "", " ", ".", "..", "../../etc/passwd", "a/b", "a%2Fb", "a\\b", "a?b", "a#b", "a&b=c", "%",
    "undefined", "null", "true", "0", "-1", "1e309", "NaN", "Infinity", "$HOME", "{id}", "%00",
    "' OR 1=1 --", "'; DROP TABLE users;--", "<script>alert(1)</script>", '"><img src=x>', "`id`",
    "\x00", "a\x00b", "\r\nSet-Cookie: a=b", "\x1b[31m", "\ufeff", "\u202eabc", "\u200b", "ﷺ" * 200,
    "Ω≈ç√∫", "田中さん", "👩‍👩‍👧‍👦" * 20, "i" * 511, "i" * 512, "i" * 513, "i" * 60_000,
    "__proto__", "constructor", "CON", "u1\x00", "u1 ", " u1", "U1", "user_id:u1", "${jndi:x}",
]
BYTES = [b"\xff\xfe", b"%ff%fe", b"%c0%af", b"%ed%a0%80", b"%", b"%zz", b"%0d%0aX: y", b"\x80"]
# fmt: on
ROUTES = [
    "/v1/recommendations/{}",
    "/v1/similar/{}",
    "/v1/users/{}/segments",
    "/v1/users/{}/profile",
]
BODIES = [
    ("/v1/next", lambda i: {"recent": [i], "anonymous_id": i, "exclude": [i]}),
    ("/v1/next", lambda i: {"recent": i, "user_id": i, "context": {"page": i, "country": i}}),
    ("/v1/personalize", lambda i: {"user_id": i, "cart": [i], "slots": [i]}),
    ("/v1/personalize", lambda i: {"anonymous_id": i, "context": {"language": i, i: i}}),
    ("/v1/tokens", lambda i: {"user_id": i}),
    ("/v1/email/render", lambda i: {"template": i, "user_id": i}),
]
RAW = [
    b"",
    b"[]",
    b"null",
    b"{",
    b"\xff",
    b'{"a":' * 900,
    b"[" * 100_000,
    b'{"n":1e999}',
    b'"\\ud800"',
]


def raw(api: Api, head: bytes, body: bytes = b"") -> tuple[int | None, bytes]:
    """Sends bytes as they are; returns status and body, None where the connection just ended."""
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), 10) as one:
        try:
            one.sendall(head + b"\r\n\r\n" + body)
            answer = b""
            while piece := one.recv(65536):
                answer += piece
        except OSError:
            pass
    if not answer.startswith(b"HTTP/1.1 "):
        return None, b""
    return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]


COMMON = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer local-dev-token"


def posted(path: str, body: bytes) -> tuple[bytes, bytes, None]:
    line = b"POST " + path.encode() + COMMON
    return (
        line + b"\r\nContent-Type: application/json\r\nContent-Length: %d" % len(body),
        body,
        None,
    )


def named(ids: list[str]) -> Iterator[tuple[bytes, bytes, str | None]]:
    """Yields requests with these ids in each place: head, body, and whose list it is."""
    for one in ids:
        encoded = quote(one.encode("utf-8", "surrogatepass"), safe="").encode()
        for route in ROUTES:
            path = route.encode().replace(b"{}", encoded)
            yield b"GET " + path + COMMON, b"", one if "recommendations" in route else None
        for path, make in BODIES:
            yield posted(path, json.dumps(make(one)).encode())


def unreadable() -> Iterator[tuple[bytes, bytes, str | None]]:
    """Yields requests of bytes that are no text, and bodies that are no object."""
    for one in BYTES:
        for route in ROUTES:
            yield b"GET " + route.encode().replace(b"{}", one) + COMMON, b"", None
        yield b"GET /v1/recommendations/u1" + COMMON + b"\r\nX-Request-Id: " + one, b"", "u1"
    for body in RAW:
        for path in sorted({path for path, _ in BODIES}):
            yield posted(path, body)


def naughty_ids(folder: Path, scale: float) -> Seen:
    seen = Seen("ids and bodies of every naughty kind, as path, body and header")
    release(store_of(folder), records())
    ids = NAUGHTY if scale >= 1 else NAUGHTY[::3]

    def note(found: tuple[int | None, bytes], user: str | None = None) -> None:
        status, body = found
        if status is None:
            seen.broken += 1
            return
        seen.add(status)
        if user is not None and status == 200:
            seen.strangers += shows_others(user, json.loads(body))

    with serving(folder) as api:
        before = api.workers
        for head, body, user in [*named(ids), *unreadable()]:
            note(raw(api, head, body), user)
        seen.require(api.workers == before, "no worker should die")
        internal = metric(api, 'sparkperso_serve_problems_total{code="internal"}')
    seen.require(not internal, "no error of its own")
    seen.require('"level": "error"' not in (folder / "log").read_text(), "no error in its log")
    seen.remarks.append(f"{len(ids)} ids on {len(ROUTES) + len(BODIES)} forms of requests")
    return seen


def odd_numbers(folder: Path, scale: float) -> Seen:
    seen = Seen("n = −1, 0, 10⁹ and other numbers")
    release(store_of(folder), records())
    texts = [
        "-1",
        "0",
        "1000000000",
        "201",
        "1e9",
        "NaN",
        "",
        "+5",
        " 5",
        "5.0",
        "0x5",
        "٥",
        "1" * 5000,
    ]
    values = [-1, 0, 10**9, 201, 1e9, 1.5, "5", True, [], {}, 10**400, -0.0]
    with serving(folder) as api:
        for text in texts:
            status, body = get(api, f"/v1/recommendations/u1?n={quote(text)}")
            seen.add(status)
            seen.require(status in {200, 422}, f"n={text[:20]}: {status}")
            seen.require(
                status != 200 or len(body["items"]) <= 200, f"n={text[:20]} should be bounded"
            )
            seen.add(get(api, f"/v1/similar/i1?n={quote(text)}")[0])
        for value in values:
            for path in ("/v1/next", "/v1/personalize"):
                head, body, _ = posted(path, json.dumps({"anonymous_id": "a", "n": value}).encode())
                status, _ = raw(api, head, body)
                seen.add(status or 0)
                seen.require(status in {200, 422, 400}, f"{path} n={str(value)[:20]}: {status}")
    return seen


class Login:
    """An issuer of tokens, whose clock and keys may be wrong."""

    def __init__(self, folder: Path) -> None:
        self.path, self.key = folder / "jwks.json", self._made("k1")
        self.path.write_text(json.dumps({"keys": [self.key.as_dict(private=False)]}))

    def _made(self, kid: str) -> ECKey:
        return ECKey.generate_key("P-256", parameters={"kid": kid, "use": "sig"})

    def sets(self) -> list[str]:
        """Returns the settings by which it is trusted."""
        issuer = {"issuer": "https://login.example/", "audience": "shop"}
        issuer |= {"jwks_file": str(self.path)}
        return [f"security.issuers.login={json.dumps(issuer)}"]

    def token(self, user: str, key: ECKey | None = None, **changed: Any) -> str:
        """Returns a header with a good token, but for the claims that are changed."""
        now = int(time.time())
        claims = {"iss": "https://login.example/", "aud": "shop", "sub": user}
        claims |= {"iat": now, "exp": now + 600, **changed}
        head = {"alg": "ES256", "kid": "k1", "typ": "JWT"}
        return "Bearer " + jwt.encode(head, claims, key or self.key)

    def unsigned(self, user: str, algorithm: str) -> str:
        """A token without a signature, or signed by the public key as if it were a secret."""
        _, claims, _ = self.token(user).removeprefix("Bearer ").split(".")
        head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "k1"}).encode())
        signed = head.rstrip(b"=") + b"." + claims.encode()
        made = b""
        if algorithm == "HS256":
            made = hmac.digest(self.key.as_pem(private=False), signed, "sha256")
        signature = base64.urlsafe_b64encode(made).rstrip(b"=")
        return "Bearer " + (signed + b"." + signature).decode()


def wrong_tokens(folder: Path, scale: float) -> Seen:
    seen = Seen("tokens of a clock that is wrong, forged, replayed, of another user")
    release(store_of(folder), records())
    login, now = Login(folder), int(time.time())
    with serving(folder, *login.sets(), workers=2) as api:
        good = login.token("u1")
        head, _, signature = good.split(".")
        other = login.token("u2").split(".")[1]
        cases: list[tuple[str, str, str, int]] = [
            ("good", good, "u1", 200),
            ("another user's list", good, "u2", 403),
            (
                "ended 10 s ago, by a clock that is behind",
                login.token("u1", exp=now - 10),
                "u1",
                200,
            ),
            ("ended 2 min ago", login.token("u1", iat=now - 600, exp=now - 120), "u1", 401),
            ("made 10 s from now", login.token("u1", iat=now + 10), "u1", 200),
            ("made 5 min from now", login.token("u1", iat=now + 300), "u1", 401),
            ("valid from 5 min from now", login.token("u1", nbf=now + 300), "u1", 401),
            ("for ten years", login.token("u1", exp=now + 10 * 365 * 86400), "u1", 401),
            ("without an end", login.token("u1", exp=None), "u1", 401),
            ("for another audience", login.token("u1", aud="other"), "u1", 401),
            ("of another issuer", login.token("u1", iss="https://evil.example/"), "u1", 401),
            ("signed by another key", login.token("u1", key=login._made("k1")), "u1", 401),
            ("claims of another's put in", f"{head}.{other}.{signature}", "u2", 401),
            ("signature cut off", good[:-4], "u1", 401),
            ("alg none", login.unsigned("u1", "none"), "u1", 401),
            ("HS256 by the public key", login.unsigned("u1", "HS256"), "u1", 401),
            ("nonsense", "Bearer x.y.z", "u1", 401),
        ]
        for what, token, user, expected in cases * (3 if scale >= 1 else 1):
            status, document = get(api, f"/v1/recommendations/{user}", {"Authorization": token})
            seen.add(status)
            seen.require(status == expected, f"{what}: {status}, not {expected}")
            seen.strangers += status == 200 and shows_others(user, document)
        tokens = {user: login.token(user) for user in USERS}
        with Load(api, seen, threads=8, tokens=tokens) as load:
            load.wait(3 * scale)
        mixed = len(load.answers)
        seen.require(all(a.status == 200 for a in load.answers), "each user has their own list")
        # The key is gone from the file: what it signed ends, what is remembered too.
        seconds = None
        if scale >= 1:
            new = login._made("k2")
            login.path.write_text(json.dumps({"keys": [new.as_dict(private=False)]}))
            begun = time.monotonic()
            while time.monotonic() - begun < 30 and seconds is None:
                # Each worker looks for itself: several answers in a row.
                found = {
                    get(api, "/v1/recommendations/u1", {"Authorization": good})[0] for _ in range(8)
                }
                seconds = time.monotonic() - begun if found == {401} else None
                time.sleep(0.2)
            seen.require(seconds is not None, "a key that is gone should end its tokens")
    seen.remarks.append(
        f"{len(cases)} kinds, each as it should be; {mixed:,} answers to 300 users at once, each "
        "their own"
        + (f"; tokens of a key that is gone end after {seconds:.0f} s" if seconds else "")
    )
    return seen


def hanging_cms(folder: Path, scale: float) -> Seen:
    seen = Seen("a CMS that takes calls and never answers")
    release(store_of(folder), records())
    with socket.create_server(("127.0.0.1", 0)) as cms:
        url = f"http://127.0.0.1:{cms.getsockname()[1]}"
        source = {"kind": "strapi", "base_url": url, "collection": "modules", "refresh_seconds": 1}
        sets = [
            f"cms.sources.shop={json.dumps(source)}",
            'outbound.allowed_hosts=["http://127.0.0.1:*"]',
            'outbound.allow_private=["127.0.0.0/8"]',
        ]
        with serving(folder, *sets) as api, Load(api, seen) as load:
            load.wait(5 * scale)
            ready = get(api, "/readyz")[0]
            slow = sorted(answer.seconds for answer in load.answers)
        seen.require(ready == 200, "it should be ready")
        ended = (folder / "log").read_text().count("Cancel ")
    seen.require(not ended, "it should end at once")
    middle, late = slow[len(slow) // 2], slow[round(len(slow) * 0.99) - 1]
    seen.remarks.append(f"median {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms; ready all along")
    return seen


def new_version(folder: Path, scale: float) -> Seen:
    count = max(2, round(5 * scale))
    seen = Seen(f"{count} new versions under load")
    store = store_of(folder)
    before, gaps, looks = release(store, records()), [], []
    with serving(folder, "api.refresh_seconds=0.5") as api, Load(api, seen) as load:
        load.wait(1)
        for number in range(count):
            name = release(store, records(f"{number}."))
            begun = time.monotonic()
            looks.append(load.until(lambda a, name=name: a.version == name) or 30)
            load.wait(0.7 * scale + 0.3)
            own = [a for a in load.answers if a.at > begun - 1]
            first = min(a.at for a in own if a.version == name)
            last = max(a.at for a in own if a.version == before)
            around = [a.seconds for a in own if abs(a.at - first) < 0.5]
            gaps.append((abs(first - last), max(around)))
            before = name
    gap, slowest = (max(column) for column in zip(*gaps, strict=True))
    seen.require(set(seen.statuses) == {"200"}, "no request should fail")
    seen.require(gap <= SWITCH_SECONDS, f"the switch took {gap * 1000:.0f} ms")
    seen.remarks.append(
        f"the switch takes {gap * 1000:.1f} ms at most (last of the old to first of the new), "
        f"the slowest answer around it {slowest * 1000:.0f} ms; seen {max(looks):.2f} s after the "
        "release at most (looked for every 0.5 s)"
    )
    return seen


def reloaded(folder: Path, scale: float) -> Seen:
    count = max(1, round(3 * scale))
    seen = Seen(f"SIGHUP under load, {count} times, two workers")
    release(store_of(folder), records())
    took = []
    with serving(folder, workers=2) as api:
        with Load(api, seen) as load:
            for _ in range(count):
                before = set(api.workers)
                begun = time.monotonic()
                api.signal(signal.SIGHUP)
                while time.monotonic() - begun < 60 and (
                    before & set(api.workers) or len(api.workers) != 2
                ):
                    time.sleep(0.05)
                took.append(time.monotonic() - begun)
            load.wait(1)
        status = api.end()
    seen.require(set(seen.statuses) == {"200"}, "no request should fail")
    seen.require(status == 0, "it should end with 0")
    seen.remarks.append(f"both workers are new after {max(took):.1f} s at most")
    return seen


FAULTS: dict[str, Callable[[Path, float], Seen]] = {
    "redis": redis_killed,
    "file": file_cut_off,
    "publisher": publisher_killed,
    "limit": beyond_the_limit,
    "ids": naughty_ids,
    "numbers": odd_numbers,
    "tokens": wrong_tokens,
    "cms": hanging_cms,
    "version": new_version,
    "reload": reloaded,
}
MAY_BREAK = {"file", "ids"}
"""Where connections may end without an answer: a worker dies with those it has; some of these bytes
are no request."""


def run(name: str, scale: float) -> Seen:
    """Lets one fault happen; returns what was seen, and as `faults` what should not have been."""
    with tempfile.TemporaryDirectory() as folder:
        seen = FAULTS[name](Path(folder), scale)
    seen.require(not seen.errors, f"{seen.errors} answers of 5xx")
    seen.require(not seen.strangers, f"{seen.strangers} answers of somebody else")
    seen.require(not seen.broken or name in MAY_BREAK, f"{seen.broken} broken connections")
    return seen


def ms(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:,.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=FAULTS, action="append")
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.only or FAULTS:
        seen = run(name, arguments.scale)
        rows.append(seen.row())
        row = rows[-1]
        print(
            row["fault"],
            f"    {row['requests']:,} requests: {row['statuses']}; 5xx {row['5xx']}, "
            f"of others {row['others_data']}, broken {row['broken_connections']}",
            *(f"    {remark}" for remark in row["remarks"]),
            *(f"    FAULT: {fault}" for fault in row["faults"]),
            sep="\n",
            flush=True,
        )
    if not arguments.only and arguments.scale >= 1:
        RESULTS.mkdir(exist_ok=True)
        figures = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "faults": rows,
        }
        text = json.dumps(figures, indent=1, ensure_ascii=False)
        (RESULTS / "serve_faults.json").write_text(text + "\n")
    if any(row["faults"] for row in rows):
        raise SystemExit("Not all is as it should be")


if __name__ == "__main__":
    main()
