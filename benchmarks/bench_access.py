"""What it costs to know who asks: a token, an API key, a secured request beside an open one.

    python benchmarks/bench_access.py [--rounds 20] [--requests 500] [--out FILE]

1. Microseconds of the processor: the first look at a token (its signature), the later ones
   (remembered), an API key, and all of the gate (address, caller, two rates). Medians of rounds.
2. One uvicorn that answers the same kilobyte of JSON, with and without the gate: `bare` is an ASGI
   function with nothing else to do, `routed` a route of Starlette with a parameter and a query. The
   server's time of the processor per request, asked in turns by another process over one connection
   that stays open. The answer is a constant: with more to do, the ratio is smaller.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sparkperso.config.security import ApiKeyConfig, IssuerConfig, SecurityConfig
from sparkperso.services.access.access import Access
from sparkperso.services.access.api_keys import ApiKeys, new_key
from sparkperso.services.access.browser_tokens import BrowserTokens
from sparkperso.services.access.gate import Gate
from sparkperso.services.access.issuers import issuer_trust
from sparkperso.services.access.rates import RequestRates
from sparkperso.services.access.tokens import TokenChecks
from sparkperso.services.http.addresses import Addresses
from sparkperso.services.http.headers import JSON_HEADERS, headers_of

MAKERS = {
    "ES256": lambda kid: ECKey.generate_key("P-256", parameters=kid),
    "Ed25519": lambda kid: OKPKey.generate_key("Ed25519", parameters=kid),
    "RS256": lambda kid: RSAKey.generate_key(2048, parameters=kid),
}
SECRET, USERS = "benchmark only, no secret at all, 32", 1000
UNLIMITED = {f"requests_per_second{of}": 1e9 for of in ("", "_and_user", "_and_address")}


def issuer(folder, algorithm):
    """Returns the trust in an issuer, and tokens of USERS users."""
    key = MAKERS[algorithm]({"kid": algorithm, "use": "sig"})
    path = Path(folder, f"{algorithm}.json")
    path.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    name = f"https://{algorithm.lower()}.example/"
    config = IssuerConfig(
        issuer=name, audience="sparkperso", jwks_file=str(path), algorithms=(algorithm,)
    )
    now = int(time.time())
    claims = {"iss": name, "aud": "sparkperso", "iat": now, "exp": now + 3600}
    header = {"alg": algorithm, "kid": algorithm}
    tokens = [
        jwt.encode(header, {**claims, "sub": f"user-{n}"}, key, [algorithm]).encode()
        for n in range(USERS)
    ]
    return issuer_trust(algorithm, config), tokens


def timed(function, arguments):
    """Returns microseconds of the processor for each call."""
    start = time.thread_time()
    for one in arguments:
        function(one)
    return (time.thread_time() - start) / len(arguments) * 1e6


def checks(folder, rounds):
    browser = BrowserTokens([SECRET], 60)
    made = new_key()
    own = ApiKeyConfig(id=made.id, sha256=made.sha256, scopes=("recommend",))
    config = SecurityConfig(api_keys={"shop": own}, limits=UNLIMITED)
    kinds = {name: issuer(folder, name) for name in MAKERS}
    kinds["browser token"] = (
        browser.trust,
        [browser.issue(user_id=f"user-{n}").text.encode() for n in range(USERS)],
    )
    trusts = TokenChecks([trust for trust, _ in kinds.values()])
    times = {}
    for _ in range(rounds):
        for name, (_, tokens) in kinds.items():
            access = Access(ApiKeys(config.api_keys), trusts)
            gate = Gate(access, RequestRates(config), Addresses([]))
            sent = [{b"authorization": b"Bearer " + token} for token in tokens]
            lines = [headers[b"authorization"] for headers in sent]
            times.setdefault(f"{name}, first", []).append(timed(access.caller, lines))
            times.setdefault(f"{name}, later", []).append(timed(access.caller, lines))
            whole = timed(lambda headers, gate=gate: gate.admit(headers, "203.0.113.9"), sent)
            times.setdefault(f"{name}, later, the whole gate", []).append(whole)
        key = [{b"authorization": b"Bearer " + made.text.encode()}] * USERS
        find = ApiKeys(config.api_keys).find
        times.setdefault("API key, first", []).append(timed(find, [made.text.encode()] * USERS))
        whole = timed(lambda headers, gate=gate: gate.admit(headers, "203.0.113.9"), key)
        times.setdefault("API key, later, the whole gate", []).append(whole)
    return {name: round(statistics.median(each), 1) for name, each in times.items()}


def served(port):
    """Serves a constant; behind the gate where the query says so."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    browser = BrowserTokens([SECRET], 60)
    access = Access(ApiKeys({}), TokenChecks([browser.trust]))
    gate = Gate(access, RequestRates(SecurityConfig(limits=UNLIMITED)), Addresses([]))
    body = json.dumps({"items": [f"item-{n:06d}" for n in range(60)]}).encode()
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [*JSON_HEADERS, (b"content-length", b"%d" % len(body))],
    }

    async def routed(request):
        headers, user_id = headers_of(request.scope), request.path_params["user"]
        if request.query_params["gate"] == "yes":
            gate.admit(headers, request.client.host).require_user("recommend", user_id)
        return Response(body, headers=safe)

    safe = {name.decode(): value.decode() for name, value in JSON_HEADERS}
    with_routes = Starlette(routes=[Route("/routed/{user}", routed)])

    async def app(scope, receive, send):
        if scope["path"].startswith("/routed"):
            await with_routes(scope, receive, send)
            return
        headers = headers_of(scope)  # every route reads some
        if scope["query_string"] == b"gate=yes":
            gate.admit(headers, scope["client"][0]).require_user("recommend", "user-1")
        await send(start)
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(app, port=port, lifespan="off", access_log=False, log_level="error")


def cpu_seconds(pid):
    """Returns what the server's one thread has had of a processor, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def requests(rounds, count):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    try:
        client = connected(port)
        paths = {"bare": "/bare", "routed": "/routed/user-1"}
        return {
            name: compared(client, server.pid, path, rounds, count) for name, path in paths.items()
        }
    finally:
        server.terminate()
        server.wait()


def compared(client, pid, path, rounds, count):
    """Returns the server's microseconds with and without the gate: medians of the rounds."""
    token = BrowserTokens([SECRET], 60).issue(user_id="user-1").text
    headers = {"Authorization": f"Bearer {token}"}
    times = {"no": [], "yes": []}
    for number in range(rounds):
        # Both get the same headers: what differs is the gate, and who goes first.
        for gate in sorted(times, reverse=bool(number % 2)):
            start = cpu_seconds(pid)
            for _ in range(count):
                client.request("GET", f"{path}?gate={gate}", headers=headers)
                answer = client.getresponse()
                assert answer.status == 200
                answer.read()
            times[gate].append((cpu_seconds(pid) - start) / count * 1e6)
    both = {gate: round(statistics.median(each), 1) for gate, each in times.items()}
    ratios = [s / o for s, o in zip(times["yes"], times["no"], strict=True)]
    ratio = round(statistics.median(ratios), 3)
    return {"open": both["no"], "secured": both["yes"], "secured_by_open": ratio}


def connected(port):
    deadline = time.monotonic() + 60
    while True:
        client = http.client.HTTPConnection("127.0.0.1", port)
        try:
            client.connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return client


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.serve:
        served(options.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "microseconds_of_a_check": checks(folder, options.rounds),
            "server_microseconds_of_a_request": requests(options.rounds, options.requests),
        }
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
