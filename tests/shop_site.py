"""A site of its own for tests: pages, and behind the same origin the collector and the API.

`fault` says what becomes of requests to the API: `slow`, `down`, a status, or a text that is its
answer. A page's headers may have a Content-Security-Policy.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from sparkperso.services.stores.lmdb_store import LmdbStore
from sparkperso.services.stores.overlay import LmdbOverlay
from sparkperso.services.stores.records import SEGMENTS, make_list
from sparkperso.testing.serving import live, release

TOKEN = {"Authorization": "Bearer local-dev-token"}
NAMES = ("lamp", "mug", "chair", "throw", "tray", "board", "book", "globe")
TITLES = {f"i{n}": f"Oak {name} <b>no. {n}</b> & co" for n, name in enumerate(NAMES, 1)}
CUSTOMERS = {
    "anna": ("audiences-high-value-buyers", list(TITLES)),
    "ben": ("audiences-lapsing", list(TITLES)[::-1]),
}
OF_API = ("/v1/personalize", "/v1/next", "/v1/recommendations")
OF_COLLECTOR = ("/v1/", "/sdk/")
SLOW_SECONDS = 2.5
HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


def list_of(ids, strategy="hybrid"):
    """Returns a stored list of these items with their titles."""
    items = [
        json.dumps({"rank": n, "item_id": one, "score": 1 / n, "title": TITLES[one]}).encode()
        for n, one in enumerate(ids, 1)
    ]
    return make_list(f'"strategy":"{strategy}","model_version":"7"'.encode(), items)


def publish(lake):
    """Publishes a store of two customers, who see different things, into a lake."""
    profile = {"country": "GB", "features": {"frequency": 5}}
    records = {
        "lists.new": {name: list_of(ids) for name, (_, ids) in CUSTOMERS.items()},
        "popular": {"global": list_of(TITLES, "popularity")},
        "similar": {"i1": list_of(["i2", "i3"], "similar_items")},
        "segments": {
            name: json.dumps([{"segment_id": segment, "label": segment}]).encode()
            for name, (segment, _) in CUSTOMERS.items()
        },
        "profiles": {name: json.dumps(profile).encode() for name in CUSTOMERS},
        "items": {
            one: json.dumps({"title": title, "category": f"c{n}", "price": 20 + n}).encode()
            for n, (one, title) in enumerate(TITLES.items())
        },
    }
    store = LmdbStore(lake / "_serving")
    release(store, records)
    store.close()


class Site:
    """What the site's pages are, and what happens to their requests."""

    def __init__(self, collector, api, pages):
        self.collector, self.api, self.pages = collector, api, pages
        self.fault = None
        self.asked = []
        """Bodies of requests to the API."""
        self.streams = []
        """Addresses of the streams that are open."""
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def push(lake, user_id, segments):
    """Has a user be in these segments from now on, as stream-segments does."""
    overlay = LmdbOverlay(lake / "_serving")
    value = [{"segment_id": one, "label": one} for one in segments]
    overlay.put_many([((SEGMENTS, user_id), live(value))])
    overlay.close()


@contextmanager
def running_site(collector, api, pages):
    """Serves `pages(path)` → (headers, HTML) beside collector and API until the block ends."""
    site = Site(collector, api, pages)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site))
    server.daemon_threads = True
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site, *rest):
        self._site = site
        super().__init__(*rest)

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/v1/stream":
            self._stream()
        elif path.startswith((*OF_API, *OF_COLLECTOR)):
            self._forward(b"")
        else:
            headers, html = self._site.pages(path)
            self._answer(
                200, {"Content-Type": "text/html; charset=utf-8", **headers}, html.encode()
            )

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/token":
            self._token(json.loads(body))
        else:
            self._forward(body)

    def _token(self, person):
        """The site's own route: who is signed in is whom the page says, for this is a test."""
        named = person or {"anonymous_id": "nobody-in-particular"}
        answer = httpx.post(f"{self._site.api}/v1/tokens", json=named, headers=TOKEN)
        body = {**answer.json(), **(person and named)}
        self._answer(
            answer.status_code, {"Content-Type": "application/json"}, json.dumps(body).encode()
        )

    def _forward(self, body):
        is_api = self.path.startswith(OF_API)
        site = self._site
        if is_api:
            site.asked.append(json.loads(body or b"{}"))
            if site.fault == "down":
                self.close_connection = True
                return
            if site.fault == "slow":
                time.sleep(SLOW_SECONDS)
            elif isinstance(site.fault, int):
                self._answer(site.fault, {}, b"")
                return
            elif site.fault:
                self._answer(200, {"Content-Type": "application/json"}, site.fault.encode())
                return
        target = (site.api if is_api else site.collector) + self.path
        names = ("Authorization", "Content-Type", "Cookie", "Origin", "User-Agent")
        sent = {name: self.headers[name] for name in names if self.headers[name]}
        answer = httpx.request(self.command, target, content=body, headers=sent)
        headers = [(name, value) for name, value in answer.headers.multi_items() if name not in HOP]
        self._answer(answer.status_code, headers, answer.content)

    def _stream(self):
        """The API's stream, as it comes."""
        self._site.streams.append(self.path)
        self.close_connection = True
        try:
            with httpx.stream("GET", self._site.api + self.path, timeout=60) as answer:
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Connection", "close")
                self.end_headers()
                for part in answer.iter_raw():
                    self.wfile.write(part)
                    self.wfile.flush()
        except (OSError, httpx.HTTPError):
            return  # The page has closed it, or the API.
        finally:
            self._site.streams.remove(self.path)

    def _answer(self, status, headers, body):
        try:
            self.send_response(status)
            for name, value in headers.items() if isinstance(headers, dict) else headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # A page that waited no longer.

    def log_message(self, *_):
        """Is quiet."""
