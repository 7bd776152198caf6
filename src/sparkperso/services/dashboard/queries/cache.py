"""Results that are kept in memory, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

ENTRY_BYTES = 512
"""What an entry takes beside its value."""


class ResultCache:
    """Keeps Arrow tables by key; who was asked for least recently goes first.

    A value that takes more than a quarter of all room is given, and not kept. Threads that ask for
    the same key at once have it made once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._most, self._held = max_bytes, 0
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()
        self._making: dict[Hashable, Lock] = {}
        self.hits = self.misses = 0

    @property
    def held_bytes(self) -> int:
        """Returns how much is kept."""
        return self._held

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Returns the value of a key, made where it is not kept; raises what `make` raises."""
        with self._lock:
            if (found := self._found(key)) is not None:
                return found
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if (found := self._found(key)) is not None:
                    return found
                self.misses += 1
            try:
                value = make()
                with self._lock:
                    self._keep(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def _found(self, key: Hashable) -> Any:
        value = self._values.get(key)
        if value is not None:
            self.hits += 1
            self._values.move_to_end(key)
        return value

    def _keep(self, key: Hashable, value: Any) -> None:
        size = value.nbytes + ENTRY_BYTES
        if size > self._most / 4:
            return
        if (before := self._values.pop(key, None)) is not None:
            # Whoever waited for a maker that failed makes it beside those that come after.
            self._held -= before.nbytes + ENTRY_BYTES
        self._values[key] = value
        self._held += size
        while self._held > self._most:
            _, oldest = self._values.popitem(last=False)
            self._held -= oldest.nbytes + ENTRY_BYTES
