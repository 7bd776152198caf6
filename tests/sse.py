"""A page that follows a stream of server-sent events, as a browser reads it."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import NamedTuple

import httpx


class Event(NamedTuple):
    """One event, and when it came (`time.monotonic`)."""

    name: str
    data: dict
    event_id: str
    at: float


class Page:
    """Follows a stream until it is closed; `events` are those that were not taken yet."""

    def __init__(self, url, headers=None, params=None):
        self.events = queue.Queue()
        self.comments = 0
        self.ended = threading.Event()
        self.response = None
        self._is_closing = False
        self._client = httpx.Client(timeout=60)
        self._opened = threading.Event()
        self._request = (url, headers, params)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._opened.wait(30)

    def next(self, seconds=10.0):
        """Returns the next event."""
        return self.events.get(timeout=seconds)

    def segments(self, seconds=10.0):
        """Returns the segments of the next event."""
        event = self.next(seconds)
        assert event.name == "segments"
        return event.data["segments"]

    def close(self):
        self._is_closing = True
        self._client.close()

    def _read(self):
        url, headers, params = self._request
        try:
            with self._client.stream("GET", url, headers=headers, params=params) as response:
                self.response = response
                if response.status_code != 200:
                    response.read()
                self._opened.set()
                fields = {}
                for line in response.iter_lines() if response.status_code == 200 else ():
                    name, _, value = line.partition(":")
                    if line and name:
                        fields[name] = value.removeprefix(" ")
                    elif line:
                        self.comments += 1
                    elif fields:
                        data = json.loads(fields["data"])
                        event = Event(fields["event"], data, fields["id"], time.monotonic())
                        self.events.put(event)
                        fields = {}
        except (httpx.HTTPError, httpx.StreamError, OSError, RuntimeError):
            pass
        finally:
            self._opened.set()
            self.ended.set()
