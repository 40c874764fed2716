"""Bytes under keys, in one SQLite file that any number of processes share."""

import hashlib
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ingestion_pipeline.cache.database import CacheDatabase, is_busy, is_damaged
from ingestion_pipeline.cache.eviction import delete_entries, evict_to

_logger = logging.getLogger(__name__)

T = TypeVar("T")

_SECONDS_PER_DAY = 86_400
# Below the 999 variables a statement may have in the oldest SQLite builds.
_KEYS_PER_QUERY = 500
# A transaction: enough to amortise its cost, little enough not to keep others waiting.
_VALUES_PER_WRITE = 500
_BYTES_PER_WRITE = 8 * 1024 * 1024
# One value may take this share of the bound; a larger one would push out all others.
_LARGEST_SHARE = 8

_READ = """
SELECT entries.key, entries.id, entries.used_on, contents.checksum, contents.value
FROM entries LEFT JOIN contents ON contents.id = entries.id WHERE entries.key IN ({marks})
"""
_LOOK = "SELECT key, id, used_on FROM entries WHERE key IN ({marks})"
_ENTER = """
INSERT INTO entries (key, used_on) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET used_on = excluded.used_on RETURNING id
"""


class ContentCache:
    """Remembers values until there is no room, and forgets them whenever it has to.

    Nothing of it is ever raised: what cannot be read is missing, what cannot be written is not
    kept, and the log says so. File and folder may be deleted at any time, also while processes use
    them. Threads may share an object; processes each make their own, after any fork.

    Args:
        path: The SQLite file; opened at the first use.
        max_bytes: What the file may take, beside a log of some 16 MiB.
        today: Days since 1970; the machine's own where it is not given.
    """

    def __init__(
        self, path: Path, max_bytes: int, *, today: Callable[[], int] | None = None
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._today = today or _count_days
        self._database = CacheDatabase(path)
        self._turn = threading.RLock()
        self._is_usable = True
        self._is_writable = True

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return key → value for those that are there whole, and mark them as used today."""
        names = {_digest(key): key for key in keys}
        found: dict[str, bytes] = {}
        damaged: list[int] = []
        stale: list[int] = []
        for chunk in _split(list(names), _KEYS_PER_QUERY):
            for name, entry, used_on, checksum, value in self._select(_READ, chunk):
                if not isinstance(value, bytes) or _checksum(name, value) != checksum:
                    damaged.append(entry)
                    continue
                found[names[name]] = value
                if used_on != self._today():
                    stale.append(entry)
        self._remove_damaged(damaged)
        self._mark_used(stale)
        return found

    def find_missing(self, keys: Iterable[str]) -> set[str]:
        """Return the keys without a value; the others are marked as used today.

        A value that is there may still turn out to be damaged when it is read, or be evicted.
        """
        missing = {_digest(key): key for key in keys}
        stale: list[int] = []
        for chunk in _split(list(missing), _KEYS_PER_QUERY):
            for name, entry, used_on in self._select(_LOOK, chunk):
                del missing[name]
                if used_on != self._today():
                    stale.append(entry)
        self._mark_used(stale)
        return set(missing.values())

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Keep values, replacing those that are there, and evict others where they take the room.

        ``items`` is read to its end whatever happens, so it may do work of the caller's.
        """
        for batch in self._gather(items):
            self._attempt_write(lambda db, batch=batch: self._write(db, batch))

    def evict(self) -> None:
        """Bring the file within its bound; writing does it too, so this is for a new bound."""
        self._attempt_write(lambda db: evict_to(db, self._max_bytes))

    def close(self) -> None:
        """Release the file; the next use opens it again."""
        with self._turn:
            self._database.close()

    # -- steps

    def _select(self, statement: str, names: Sequence[bytes]) -> list[Any]:
        marks = ",".join("?" * len(names))
        query = statement.format(marks=marks)
        return self._attempt(lambda db: db.execute(query, names).fetchall(), [])

    def _remove_damaged(self, entries: Sequence[int]) -> None:
        if entries:
            _logger.warning(
                "%d values of the cache %s are damaged and count as missing.",
                len(entries),
                self._path,
            )
            self._attempt_write(lambda db: delete_entries(db, entries))

    def _mark_used(self, entries: Sequence[int]) -> None:
        """Write the day of use down, at most once a day for each entry: reads stay reads."""
        parameters = [(self._today(), entry) for entry in entries]

        def update(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("UPDATE entries SET used_on = ? WHERE id = ?", parameters)
            db.execute("COMMIT")

        if parameters:
            self._attempt_write(update)

    def _write(self, db: sqlite3.Connection, batch: Sequence[tuple[str, bytes]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        for key, value in batch:
            name = _digest(key)
            entry = db.execute(_ENTER, (name, self._today())).fetchone()[0]
            db.execute(
                "INSERT OR REPLACE INTO contents (id, checksum, value) VALUES (?, ?, ?)",
                (entry, _checksum(name, value), value),
            )
        db.execute("COMMIT")
        evict_to(db, self._max_bytes)

    def _gather(self, items: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
        batch: list[tuple[str, bytes]] = []
        size = 0
        for key, value in items:
            if len(value) > self._max_bytes // _LARGEST_SHARE:
                _logger.info("A value of %d bytes is too large for %s.", len(value), self._path)
                continue
            batch.append((key, value))
            size += len(value)
            if size >= _BYTES_PER_WRITE or len(batch) >= _VALUES_PER_WRITE:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    # -- what may go wrong

    def _attempt_write(self, step: Callable[[sqlite3.Connection], object]) -> None:
        """Do one step that writes; the first that fails for good is the last that is tried."""
        if self._is_writable:
            self._attempt(step, None, writes=True)

    def _attempt(
        self, step: Callable[[sqlite3.Connection], T], otherwise: T, *, writes: bool = False
    ) -> T:
        """Do one step; a damaged file is thrown away and the step tried once more."""
        with self._turn:
            try:
                return self._do(step, otherwise)
            except (sqlite3.Error, OSError) as error:
                if not is_damaged(error):
                    self._note_failure(error, writes=writes)
                    return otherwise
                _logger.warning("The cache %s is damaged (%s) and begins anew.", self._path, error)
            try:
                self._database.discard()
                return self._do(step, otherwise)
            except (sqlite3.Error, OSError) as error:
                self._note_failure(error, writes=writes)
                return otherwise

    def _do(self, step: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        if not self._is_usable:
            return otherwise
        db = self._database.connect()
        try:
            return step(db)
        finally:
            # Whatever ended the step, Ctrl-C too.
            if db.in_transaction:
                db.rollback()

    def _note_failure(self, error: Exception, *, writes: bool) -> None:
        if is_busy(error):
            _logger.warning("The cache %s is busy and is passed over this time.", self._path)
            return
        self._is_writable = False
        # An open file that cannot be written, as on a full disk, can still be read.
        self._is_usable = writes and self._database.is_open
        _logger.warning(
            "The cache %s cannot be %s: %s. The sync goes on without it, slower. See that its disk "
            "has room and that its folder is writable.",
            self._path,
            "written" if self._is_usable else "used",
            error,
        )


def _digest(key: str) -> bytes:
    # Keys are long and alike; digests keep the index small. Paths may hold lone surrogates.
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _checksum(name: bytes, value: bytes) -> int:
    """Return a checksum of key and value: a value under another's key is as wrong as a torn one."""
    return zlib.crc32(value, zlib.crc32(name))


def _split(names: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _count_days() -> int:
    return int(time.time() // _SECONDS_PER_DAY)
