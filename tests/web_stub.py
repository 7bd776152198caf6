"""A server of HTTP on a free port, whose answers a test writes; also one over TLS."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = {"Content-Type": "application/json"}


@dataclass
class Request:
    """What was asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Answers as the stub of its server says."""

    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.respond
        raise AttributeError(name)

    def respond(self):
        stub = self.server.stub
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed half-way: no request came
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        stub.requests.append(request)
        status, headers, body = stub.answer(request)
        is_whole = isinstance(body, bytes)
        self.send_response(status)
        more = {"Content-Length": str(len(body))} if is_whole else {"Connection": "close"}
        for name, value in (headers | more).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in [body] if is_whole else body:
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


@dataclass
class WebStub:
    """`answer(request)` returns (status, headers, body); a body may be an iterator of parts."""

    answer: object
    requests: list[Request] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end: what hangs waits for it."""
    tls: ssl.SSLContext | None = None

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.stub, self.server.daemon_threads = self, True
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def hang(self):
        """The parts of a body that never come."""
        self.released.wait(60)
        yield b""
