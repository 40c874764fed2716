"""The SQLite file behind a cache: opened when needed, made anew when it is gone or damaged.

WAL, because readers then never wait for a writer, and a process killed while it writes leaves the
last whole transaction. ``synchronous=NORMAL`` may lose the last transactions to a power cut, which
a cache can bear. No ``mmap_size``: a file that somebody truncates would end the process (SIGBUS).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

BUSY_TIMEOUT_SECONDS = 10
_LOCK_WAIT_SECONDS = 10
# Raised with every change of the tables; a file of another layout is thrown away.
_LAYOUT = 1

# The narrow table is all that lookups of missing keys, marks of use and eviction touch; a mark
# beside the value would rewrite a page for every value.
_TABLES = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    used_on INTEGER NOT NULL
);
CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    checksum INTEGER NOT NULL,
    value BLOB NOT NULL
);
"""

# Errors that say that the file itself is of no use. SQLITE_ERROR stands for a table that is
# missing: the statements are our own and right.
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
}


class OtherLayoutError(sqlite3.DatabaseError):
    """A file with the tables of another version of this program."""


class CacheDatabase:
    """One file and this process's connection to it.

    Args:
        path: Its folder is created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that worked once."""
        return self._connection is not None

    def connect(self) -> sqlite3.Connection:
        """Return the connection, opened anew if the file was removed or replaced meanwhile.

        Raises:
            sqlite3.Error: It cannot be opened, or is damaged.
            OSError: Its folder cannot be created or locked.
        """
        if self._connection is not None and _identify(self.path) == self._identity:
            return self._connection
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._hold_lock():
            connection = _open(self.path)
            self._identity = _identify(self.path)
        self._connection = connection
        return connection

    def discard(self) -> None:
        """Remove the file, unless another process did it and began a new one."""
        identity = self._identity or _identify(self.path)
        self.close()
        with self._hold_lock():
            if _identify(self.path) != identity:
                return
            for suffix in ("-wal", "-shm", ""):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection. SQLite leaves the log of a file that took this one's place."""
        connection, self._connection, self._identity = self._connection, None, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        # While one process opens the file and its log, no other may remove either of them:
        # connections with different logs of one file would write over each other.
        lock = FileLock(f"{self.path}.lock", timeout=_LOCK_WAIT_SECONDS)
        with lock:
            yield


def is_damaged(error: Exception) -> bool:
    """Return whether an error means that the file has to be thrown away."""
    return isinstance(error, OtherLayoutError) or _get_primary_code(error) in _DAMAGED


def is_busy(error: Exception) -> bool:
    """Return whether another process wrote for longer than we wait."""
    return _get_primary_code(error) == sqlite3.SQLITE_BUSY


def _get_primary_code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, once a call
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    # All three are the file's for good, and setting them again waits for other writers.
    if not _read_pragma(connection, "page_count"):
        connection.execute("PRAGMA page_size=4096")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # The log grows with the largest transaction; afterwards it is cut back.
    connection.execute(f"PRAGMA journal_size_limit={16 * 1024 * 1024}")
    if _read_pragma(connection, "user_version") == 0:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made them meanwhile.
        if _read_pragma(connection, "user_version") == 0:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={_LAYOUT}")
        connection.execute("COMMIT")
    layout = _read_pragma(connection, "user_version")
    if layout != _LAYOUT:
        raise OtherLayoutError(f"it has layout {layout}, and this version needs {_LAYOUT}")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # A stub of a file, or a network file system.
        raise OtherLayoutError("it cannot have a write-ahead log")


def _read_pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
