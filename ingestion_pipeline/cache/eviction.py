"""Keeping a cache's file within its bound: the least recently used entries go first."""

import sqlite3
from collections.abc import Iterator, Sequence

# Freed beyond the bound, so that not every write evicts.
_KEPT_SHARE = 0.9
# Values deleted in one transaction; others may write between two.
_DELETED_AT_ONCE = 500
# Pages given back in one transaction; it bounds the log.
_PAGES_MOVED_AT_ONCE = 1_000


def count_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages in use, without reading any."""
    pages = _read_pragma(connection, "page_count") - _read_pragma(connection, "freelist_count")
    return pages * _read_pragma(connection, "page_size")


def evict_to(connection: sqlite3.Connection, max_bytes: int) -> int:
    """Delete entries until the file is within its bound.

    Freed pages are used again; those beyond the bound are given back to the file system.

    Returns:
        How many entries went; 0 when it was within its bound.
    """
    deleted = 0
    if count_bytes(connection) > max_bytes:
        target = int(max_bytes * _KEPT_SHARE)
        for ids in _split_oldest(connection):
            delete_entries(connection, ids)
            deleted += len(ids)
            if count_bytes(connection) <= target:
                break
        _shrink_file(connection, max_bytes)
    return deleted


def delete_entries(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Delete entries and their values in one transaction."""
    parameters = [(entry,) for entry in ids]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM contents WHERE id = ?", parameters)
    connection.executemany("DELETE FROM entries WHERE id = ?", parameters)
    connection.execute("COMMIT")


def _split_oldest(connection: sqlite3.Connection) -> Iterator[list[int]]:
    # Of one day's the first written go first. Ids alone, so a million of them take 40 MB.
    ids = [row[0] for row in connection.execute("SELECT id FROM entries ORDER BY used_on, id")]
    for start in range(0, len(ids), _DELETED_AT_ONCE):
        yield ids[start : start + _DELETED_AT_ONCE]


def _shrink_file(connection: sqlite3.Connection, max_bytes: int) -> None:
    most_pages = max_bytes // _read_pragma(connection, "page_size")
    spare = _read_pragma(connection, "page_count") - most_pages
    spare = min(spare, _read_pragma(connection, "freelist_count"))
    while spare > 0:
        # One step a page, and ``execute`` makes one only; a script is run to its end.
        connection.executescript(f"PRAGMA incremental_vacuum({min(spare, _PAGES_MOVED_AT_ONCE)})")
        spare -= _PAGES_MOVED_AT_ONCE
    # The file itself is cut when the log is taken over into it.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _read_pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
