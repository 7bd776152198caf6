"""A proxy before a collector that keeps what clients send, for tests of what they really send."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass
class Sent:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Returns the body's JSON value, unpacked."""
        is_packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if is_packed else self.body)


@dataclass
class Recorder:
    """The proxy's address, and all requests that came through it."""

    url: str
    sent: list[Sent] = field(default_factory=list)


@contextmanager
def recorder_of(collector_url: str) -> Iterator[Recorder]:
    """Runs a proxy on loopback before a collector until the block ends."""
    there = urlsplit(collector_url).netloc
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
    server.recorder, server.there = recorder, there
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        """Passes a request on with all its headers, Host among them, and gives back the answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        recorder: Recorder = self.server.recorder
        recorder.sent.append(Sent(self.command, self.path, headers, body))
        connection = http.client.HTTPConnection(self.server.there, timeout=30)
        kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
        connection.request(self.command, self.path, body, kept)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*HOP_BY_HOP, "date", "server"}:
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Is quiet."""
