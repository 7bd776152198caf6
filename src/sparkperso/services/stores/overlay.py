"""What changed since the current version was published: segments, decisions, recent events.

An overlay is one for all versions, small, and written record by record; readers look there first
(`live.LiveStore`). Every record tells when it began to hold, and until when it may be needed.

Beside the records lies a feed: the addresses that were written lately, in order, for some minutes.
Who shows changes as they happen reads on there, and looks at no record that stayed as it was.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
from redis.exceptions import WatchError

from sparkperso.core.times import EPOCH, now
from sparkperso.services.stores.base import Address, StoreError
from sparkperso.services.stores.lmdb_files import close_file, open_file
from sparkperso.services.stores.records import CONSENTS, DECIDED, SEGMENTS, record_key
from sparkperso.services.stores.redis_place import RedisPlace, answering

RECENT = "recent"
"""subject (`records.subject_id`) → JSON array of what was seen, carted or bought last."""
LIVE_NAMESPACES = (SEGMENTS, *sorted(DECIDED), RECENT)
"""What changes between two publications: of others the overlay has nothing."""
DIGITS = 16
"""Of a time in microseconds since 1970, up to the year 2286."""
MAP_BYTES = 1 << 34
"""Most that an overlay in a file may hold."""
PART = 5_000
"""Records that are looked at in one transaction: some milliseconds."""
MOST_TRIES = 100
"""How often a record of Redis is tried to be changed that others change at the same time."""
FED = frozenset({SEGMENTS, CONSENTS})
"""Namespaces whose changes the feed has."""
FEED_SECONDS = 600
"""How long the feed has a change: whoever was away for longer looks at everything anew."""
FEED_LENGTH = 100_000
"""Changes that it has at most."""
FEED_PAGE = 5_000
"""Changes that are read at a time."""
SET_IF_NEWER = """
local old = redis.call('GETRANGE', KEYS[1], 0, 15)
if old ~= '' and tonumber(old) > tonumber(string.sub(ARGV[1], 1, 16)) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
if KEYS[2] then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'a', ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
return 1
"""


@dataclass(frozen=True)
class LiveRecord:
    """A record, when it began to hold, and until when it is kept at least; both in UTC."""

    value: bytes
    at: datetime
    until: datetime

    def packed(self) -> bytes:
        """Returns both times in microseconds since 1970, `DIGITS` digits each, and the value."""
        return b"%0*d%0*d%b" % (DIGITS, _micros(self.at), DIGITS, _micros(self.until), self.value)


def unpacked(data: bytes, value_only_after: datetime) -> LiveRecord | None:
    """Returns a packed record, None for one that was kept until before a time."""
    until = _moment(data[DIGITS : 2 * DIGITS])
    if until < value_only_after:
        return None
    return LiveRecord(data[2 * DIGITS :], _moment(data[:DIGITS]), until)


Change = Callable[[LiveRecord | None], LiveRecord | None]
"""What becomes of a record, None where there is none; None leaves it as it is."""


@dataclass(frozen=True)
class FeedPage:
    """What was changed since a reader last looked, the oldest first; an address may come twice."""

    addresses: tuple[Address, ...]
    cursor: str
    """Where to read on."""
    is_whole: bool = True
    """False: there was more than the feed still has, so that anything may have changed."""


class Overlay(ABC):
    """Records over those of the current version."""

    @abstractmethod
    def put_many(self, records: Sequence[tuple[Address, LiveRecord]]) -> None:
        """Sets records; one that began to hold before the one that is there is left out.

        Raises StoreError where the overlay does not answer.
        """

    @abstractmethod
    def change_many(self, changes: Sequence[tuple[Address, Change]]) -> None:
        """Sets what functions make of the records that are there, whoever else writes meanwhile.

        A function may be called several times, and has no effect of its own; each address stands
        once. Raises StoreError where the overlay does not answer.
        """

    @abstractmethod
    def get_many(self, addresses: Sequence[Address]) -> list[LiveRecord | None]:
        """Returns the records at the addresses, None where there is none any more."""

    @abstractmethod
    def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns the next `FEED_PAGE` changes of the namespaces in `FED` at most.

        `cursor` is that of the page before; None: of now, with which a reader begins. It costs
        next to nothing where nothing has changed. Raises StoreError where the overlay does not
        answer.
        """

    @abstractmethod
    def prune(self) -> int:
        """Removes what need not be kept any more, where that does not happen by itself.

        Returns how many records were removed.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of files and connections."""


class LmdbOverlay(Overlay):
    """A file that the processes of one machine read and write.

    It is opened by who first needs it, and again after each failure: a file that is damaged or may
    not be written is a StoreError of each call, as a server that does not answer is.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "overlay.mdb"
        self._opening = threading.Lock()
        self._file: _OverlayFile | None = None
        with suppress(StoreError):
            self._opened()

    def _opened(self) -> _OverlayFile:
        """Returns the file; raises StoreError for one that cannot be opened."""
        file = self._file
        if file is None:
            with self._opening, self._failing():
                file = self._file = self._file or _OverlayFile(self._path)
        return file

    def put_many(self, records: Sequence[tuple[Address, LiveRecord]]) -> None:
        """Sets records in one transaction, which is on disk when this returns."""
        written = []
        with self._writing() as transaction:
            for address, record in records:
                namespace, record_id = address
                key, database = record_key(record_id), self._opened().databases[namespace]
                data, old = record.packed(), transaction.get(key, db=database)
                if old is None or old[:DIGITS] <= data[:DIGITS]:
                    transaction.put(key, data, db=database)
                    written.append(address)
            self._feed_on(transaction, written)

    def change_many(self, changes: Sequence[tuple[Address, Change]]) -> None:
        """Changes records in one transaction, which is on disk when this returns."""
        moment, written = now(), []
        with self._writing() as transaction:
            for address, change in changes:
                namespace, record_id = address
                key, database = record_key(record_id), self._opened().databases[namespace]
                data = transaction.get(key, db=database)
                record = change(unpacked(data, moment) if data else None)
                if record is not None:
                    transaction.put(key, record.packed(), db=database)
                    written.append(address)
            self._feed_on(transaction, written)

    def get_many(self, addresses: Sequence[Address]) -> list[LiveRecord | None]:
        """Returns the records at the addresses, all as of one moment."""
        file = self._file
        if file is None:
            if not any(namespace in LIVE_NAMESPACES for namespace, _ in addresses):
                return [None] * len(addresses)
            file = self._opened()
        databases = file.databases
        try:
            with file.environment.begin() as transaction:
                get = transaction.get
                found = [
                    get(record_key(record_id), None, databases[namespace])
                    if namespace in databases
                    else None
                    for namespace, record_id in addresses
                ]
            if not any(found):
                return [None] * len(found)
            moment = now()
            return [unpacked(data, moment) if data else None for data in found]
        except (lmdb.Error, ValueError) as error:
            raise _unreadable(self._path, error) from None

    def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns the next changes; each has a number, one more than that before."""
        file = self._opened()
        with (
            self._failing(),
            file.environment.begin(db=file.feed) as transaction,
            transaction.cursor() as entries,
        ):
            last = int(entries.key()) if entries.last() else 0
            if cursor is None or int(cursor) > last:
                # A number that was not given yet is of a file that is gone.
                return FeedPage((), str(last), is_whole=cursor is None)
            first = int(entries.key()) if entries.first() else 1
            found = []
            if entries.set_range(_feed_key(int(cursor) + 1)):
                found = list(islice(entries.iternext(), FEED_PAGE))
        read_to = str(int(found[-1][0])) if found else cursor
        addresses = tuple(_fed_address(value[DIGITS:]) for _, value in found)
        return FeedPage(addresses, read_to, is_whole=first <= int(cursor) + 1)

    def _feed_on(self, transaction: Any, written: Sequence[Address]) -> None:
        """Adds to the feed what was written, and removes what is too old from it."""
        fed = [address for address in written if address[0] in FED]
        if not fed:
            return
        moment = now()
        stamp = b"%0*d" % (DIGITS, _micros(moment))
        oldest = b"%0*d" % (DIGITS, _micros(moment - timedelta(seconds=FEED_SECONDS)))
        with transaction.cursor(self._opened().feed) as entries:
            last = int(entries.key()) if entries.last() else 0
            for number, address in enumerate(fed, last + 1):
                entries.put(_feed_key(number), stamp + _fed_name(address))
            last += len(fed)
            # More than came, so that it shrinks; never the last one, whose number tells the next.
            entries.first()
            for _ in range(2 * len(fed) + 100):
                number = int(entries.key())
                is_over = number <= last - FEED_LENGTH or entries.value()[:DIGITS] < oldest
                if number == last or not is_over:
                    break
                entries.delete()

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """Gives a transaction; raises StoreError where the disk or the map is full."""
        environment = self._opened().environment
        try:
            with environment.begin(write=True) as transaction:
                yield transaction
        except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError) as error:
            raise _unreadable(self._path, error) from None
        except lmdb.Error as error:
            raise StoreError(
                "The overlay of the serving store should take records",
                str(error),
                "Make room on the disk of store.folder",
            ) from None

    def prune(self) -> int:
        """Removes records whose time is over, a part at a time: others write between two."""
        removed = 0
        for database in self._opened().databases.values():
            key: bytes | None = b""
            while key is not None:
                n_removed, key = self._prune_part(database, key)
                removed += n_removed
        return removed

    def _prune_part(self, database: Any, first: bytes) -> tuple[int, bytes | None]:
        """Looks at a part of the records; returns how many went, and the key to go on at."""
        moment, removed = now(), 0
        with self._writing() as transaction:
            cursor = transaction.cursor(database)
            more = cursor.set_range(first)
            for _ in range(PART):
                if not more:
                    return removed, None
                if unpacked(cursor.value(), moment) is None:
                    # The cursor is at the next record then.
                    cursor.delete()
                    removed += 1
                    more = bool(cursor.key())
                else:
                    more = cursor.next()
            return removed, bytes(cursor.key()) if more else None

    def close(self) -> None:
        """Closes the file."""
        file, self._file = self._file, None
        if file:
            close_file(file.environment)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turns what is wrong with the file into a StoreError."""
        try:
            yield
        except (lmdb.Error, OSError, ValueError) as error:
            raise _unreadable(self._path, error) from None


class _OverlayFile:
    """The open file, its databases by namespace, and the feed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.environment = open_file(
            path, map_size=MAP_BYTES, max_readers=512, max_dbs=len(LIVE_NAMESPACES) + 1
        )
        try:
            self._fill_up(path)
            self.environment.reader_check()
            # In one transaction: `open_db` by itself waits for another thread's, and holds Python's
            # lock meanwhile.
            with self.environment.begin(write=True) as transaction:
                self.databases = {
                    name: self.environment.open_db(name.encode(), transaction)
                    for name in LIVE_NAMESPACES
                }
                self.feed = self.environment.open_db(b"feed", transaction)
        except BaseException:
            close_file(self.environment)
            raise

    def _fill_up(self, path: Path) -> None:
        """Gives a file that was cut off its length back, with zeros.

        What is mapped beyond the end of a file kills who reads it (SIGBUS); pages of zeros are an
        error of LMDB's. A whole file may lack pages at its end that nothing uses.
        """
        n_pages = self.environment.info()["last_pgno"] + 1
        n_bytes = n_pages * self.environment.stat()["psize"]
        with path.open("r+b") as file:
            if file.seek(0, os.SEEK_END) < n_bytes:
                file.truncate(n_bytes)


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path} should be a file of LMDB's that this process may write",
        str(error) or type(error).__name__,
        "If it is damaged, end collector and API, remove it, and start them again: the collector "
        "tells it of all decisions on consent anew",
    )


class RedisOverlay(Overlay):
    """Keys that Redis itself removes in time: `<prefix>:live:<namespace>:<key>`.

    The feed is a stream, `<prefix>:feed`.
    """

    def __init__(self, place: RedisPlace) -> None:
        self._place = place
        self._client = place.connect()
        self._set: Any = self._client.register_script(SET_IF_NEWER)

    def put_many(self, records: Sequence[tuple[Address, LiveRecord]]) -> None:
        """Sets records in one round trip."""
        with answering(self._place):
            pipe = self._client.pipeline(transaction=False)
            for address, record in records:
                keys: list[Any] = [self._key(address)]
                arguments: list[Any] = [record.packed(), _micros(record.until) // 1000]
                if address[0] in FED:
                    keys.append(feed_key(self._place))
                    arguments += [_fed_name(address), FEED_LENGTH, FEED_SECONDS]
                self._set(keys=keys, args=arguments, client=pipe)
            pipe.execute()

    def change_many(self, changes: Sequence[tuple[Address, Change]]) -> None:
        """Changes records in two round trips, and more where others change the same ones."""
        waiting, tries = [list(changes)], 0
        with answering(self._place):
            while waiting:
                some = waiting.pop()
                if not some or self._changed(some):
                    continue
                # Somebody wrote one of them: by halves, so that only that one is tried again.
                half = len(some) // 2
                tries += not half
                if tries > MOST_TRIES:
                    raise StoreError(
                        "A record of the overlay should be changed by one process at a time",
                        f"Another one was quicker {tries} times",
                        "Look who writes it",
                    )
                waiting += [some[:half], some[half:]]

    def _changed(self, changes: Sequence[tuple[Address, Change]]) -> bool:
        """Changes all of some records, or none: where another process changed one meanwhile."""
        keys = [self._key(address) for address, _ in changes]
        with self._client.pipeline() as pipe:
            try:
                pipe.watch(*keys)
                found, moment = pipe.mget(keys), now()
                pipe.multi()
                feed = feed_key(self._place)
                for key, data, (address, change) in zip(keys, found, changes, strict=True):
                    record = change(unpacked(data, moment) if data else None)
                    if record is not None:
                        pipe.set(key, record.packed(), pxat=_micros(record.until) // 1000)
                        if address[0] in FED:
                            pipe.xadd(feed, {"a": _fed_name(address)}, maxlen=FEED_LENGTH)
                            pipe.expire(feed, FEED_SECONDS)
                pipe.execute()
            except WatchError:
                return False
        return True

    def get_many(self, addresses: Sequence[Address]) -> list[LiveRecord | None]:
        """Returns the records at the addresses."""
        with answering(self._place):
            found = self._client.mget([self._key(address) for address in addresses])
        moment = now()
        return [unpacked(data, moment) if data else None for data in found]

    def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns the next changes, in one round trip."""
        with answering(self._place):
            pipe = self._client.pipeline(transaction=False)
            ask_feed(pipe, self._place, cursor)
            return feed_page(pipe.execute(), cursor)

    def prune(self) -> int:
        """Does nothing: the server removes them."""
        return 0

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _key(self, address: Address) -> bytes:
        namespace, record_id = address
        return self._place.key("live", namespace, "").encode() + record_key(record_id)


def feed_key(place: RedisPlace) -> str:
    """Returns the key of Redis's feed."""
    return place.key("feed")


def ask_feed(pipe: Any, place: RedisPlace, cursor: str | None) -> None:
    """Adds to a pipeline, of either client, the commands whose results `feed_page` reads."""
    key = feed_key(place)
    pipe.xrange(key, count=1)
    pipe.xrevrange(key, count=1)
    pipe.xlen(key)
    if cursor is not None:
        pipe.xrange(key, min=f"({cursor}", count=FEED_PAGE)


def feed_page(results: Sequence[Any], cursor: str | None) -> FeedPage:
    """Returns the page that Redis's results are."""
    firsts, lasts, length = results[:3]
    last = lasts[0][0].decode() if lasts else EMPTY_STREAM
    if cursor is None:
        return FeedPage((), last)
    if _stream_order(last) < _stream_order(cursor):
        # It was empty for a while, and is no more; or the server has forgotten everything.
        return FeedPage((), last, is_whole=False)
    found = results[3]
    read_to = found[-1][0].decode() if found else cursor
    was_cut = length >= FEED_LENGTH and _stream_order(firsts[0][0]) > _stream_order(cursor)
    addresses = tuple(_fed_address(fields[b"a"]) for _, fields in found)
    return FeedPage(addresses, read_to, is_whole=not was_cut)


EMPTY_STREAM = "0-0"


def _stream_order(name: str | bytes) -> tuple[int, ...]:
    """How ids of a stream of Redis compare: by milliseconds, then by number."""
    text = name.decode() if isinstance(name, bytes) else name
    return tuple(map(int, text.split("-")))


def _feed_key(number: int) -> bytes:
    return b"%020d" % number


def _fed_name(address: Address) -> bytes:
    return f"{address[0]}:{address[1]}".encode("utf-8", "surrogatepass")


def _fed_address(name: bytes) -> Address:
    namespace, _, record_id = name.decode("utf-8", "surrogatepass").partition(":")
    return namespace, record_id


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _moment(digits: bytes) -> datetime:
    return EPOCH + timedelta(microseconds=int(digits))
