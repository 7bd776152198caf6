"""A mail server on loopback that keeps what it is sent, and answers as a test wants it to."""

from __future__ import annotations

import socketserver
import threading
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field

DROP = "drop"
"""In place of a code: the connection is closed without an answer."""


@dataclass
class Kept:
    """One mail that was taken."""

    sender: str
    to: list[str]
    data: bytes


@dataclass
class MailServer:
    """What a server took; `answers` are codes for the next commands of a name."""

    port: int = 0
    mails: list[Kept] = field(default_factory=list)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    answers: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))
    on_content: object = None
    """Called with each content before it is answered."""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def answer(self, command, *codes):
        self.answers[command].extend(codes)

    def next_answer(self, command, usual):
        return self.answers[command].popleft() if self.answers[command] else usual


class _Session(socketserver.StreamRequestHandler):
    """RFC 5321, as far as a client needs it."""

    def handle(self):
        server: MailServer = self.server.state
        server.connections += 1
        self._say(server.next_answer("CONNECT", 220), "ready")
        self.sender, self.to = None, []
        while line := self.rfile.readline():
            verb, _, rest = line.decode("ascii").strip().partition(" ")
            server.commands.append(verb.upper())
            if not self._command(server, verb.upper(), rest):
                return

    def _command(self, server, verb, rest):
        """Answers a command; returns whether the connection goes on."""
        if verb == "EHLO":
            self.wfile.write(b"250-shop.example\r\n250 8BITMIME\r\n")
            return True
        if verb == "DATA":
            return self._content(server, self.sender, self.to)
        code = server.next_answer(verb, 221 if verb == "QUIT" else 250)
        if code == DROP:
            return False
        address = rest.partition(":")[2].split(">")[0].strip("<> ")
        if verb == "MAIL":
            self.sender, self.to = address, []
        elif verb == "RCPT" and code == 250:
            self.to = [*self.to, address]
        self._say(code, "as told")
        return verb != "QUIT"

    def _content(self, server, sender, to):
        code = server.next_answer("DATA", 354)
        if code == DROP:
            return False
        self._say(code, "go ahead")
        if code != 354:
            return True
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            assert line.endswith(b"\r\n")
            lines.append(line[1:] if line.startswith(b".") else line)
        if server.on_content:
            server.on_content(b"".join(lines))
        code = server.next_answer("CONTENT", 250)
        if code == DROP:
            return False
        if code == 250:
            server.mails.append(Kept(sender, to, b"".join(lines)))
        self._say(code, "done")
        return True

    def _say(self, code, words):
        self.wfile.write(f"{code} {words}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def mail_server():
    """Runs a server until the block ends."""
    state = MailServer()
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.state = state
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
