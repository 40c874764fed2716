"""Connections to the database: how each kind is opened, and what its failures mean."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ingestion_pipeline.core.errors import ConfigurationError, TransientError
from ingestion_pipeline.state.database_url import describe_database, is_sqlite, remove_secrets

SQLITE_BUSY_TIMEOUT_SECONDS = 60
POSTGRES_CONNECT_TIMEOUT_SECONDS = 10

# Connection option: this transaction writes. SQLite must then take the write lock at BEGIN; a
# reader that becomes a writer half-way fails at once with "database is locked", however long the
# busy timeout (https://www.sqlite.org/lang_transaction.html, 2.1).
_WRITES = "ingestion_writes"

# SQLSTATEs: connection exception, transaction rollback (deadlock), insufficient resources, lock
# timeout, operator intervention (shutdown).
_PASSING_POSTGRES_STATES = ("08", "40", "53", "55P03", "57")

# What a person can do about a SQLite file, by primary result code (https://sqlite.org/rescode.html).
_REBUILD = (
    "Put a backup in its place, or move it away and track the repositories again: their next sync "
    "writes the rest anew."
)
_SQLITE_ADVICE = {
    sqlite3.SQLITE_FULL: "Free some space, or set INGESTION_DATA_DIR to another disk.",
    sqlite3.SQLITE_IOERR: "See that the disk has room and is whole.",
    sqlite3.SQLITE_READONLY: "Make the file and its folder writable for this user.",
    sqlite3.SQLITE_CANTOPEN: "Make the file and its folder readable and writable for this user.",
    sqlite3.SQLITE_CORRUPT: _REBUILD,
    sqlite3.SQLITE_NOTADB: _REBUILD,
}


def make_engine(url: URL, **options: Any) -> Engine:
    """Return an engine for a URL that ``parse_database_url`` returned; nothing is opened yet."""
    shared = {"json_serializer": _dump_json, "hide_parameters": True, **options}
    if is_sqlite(url):
        engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, **shared)
        event.listen(engine, "connect", _prepare_sqlite_connection)
        event.listen(engine, "begin", _begin_sqlite_transaction)
        return engine
    connect_args = {
        "connect_timeout": POSTGRES_CONNECT_TIMEOUT_SECONDS,
        "application_name": "ingestion_pipeline",
    }
    # values_plus_batch: an UPDATE of many rows goes in pages instead of one round trip a row.
    return create_engine(
        url,
        connect_args={k: v for k, v in connect_args.items() if k not in url.query},
        pool_pre_ping=True,
        executemany_mode="values_plus_batch",
        **shared,
    )


def _dump_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _prepare_sqlite_connection(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions at moments of its own; _begin_sqlite_transaction does it.
    connection.isolation_level = None
    # An announcement has to outlive a power cut that the points written after it outlive. NORMAL
    # would save an fsync a transaction (0.8 ms, some ten times a sync) and lose the last ones.
    connection.execute("PRAGMA synchronous=FULL").close()


def _begin_sqlite_transaction(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def set_wal_mode(engine: Engine) -> None:
    """Switch a SQLite file to write-ahead logging, for good: readers never wait for a writer."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


@contextmanager
def begin_transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """Hold one transaction: committed at the end, rolled back on any error.

    Raises:
        TransientError: The database is busy, out of connections or went away.
        ConfigurationError: The SQLite file is damaged or not writable, or its disk is full.
    """
    try:
        with engine.execution_options(**{_WRITES: writes}).begin() as connection:
            yield connection
    except (DatabaseError, PoolTimeoutError) as error:
        advice = advise_on_sqlite(error)
        if advice:
            where, said = describe_database(engine.url), describe_failure(error, engine.url)
            raise ConfigurationError(
                f"The state database {where} failed: {said}. {advice}"
            ) from None
        if not _is_passing(error):
            raise
        raise TransientError(
            f"The state database {describe_database(engine.url)} is busy or does not answer: "
            f"{describe_failure(error, engine.url)}. Nothing was changed; try again, and see "
            "whether the database is up."
        ) from None


def _is_passing(error: DatabaseError | PoolTimeoutError) -> bool:
    if isinstance(error, PoolTimeoutError) or error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError):
        return False
    if isinstance(error.orig, sqlite3.OperationalError):
        return is_sqlite_busy(error.orig)
    state: str | None = getattr(error.orig, "pgcode", None)
    return state is None or state.startswith(_PASSING_POSTGRES_STATES)


def advise_on_sqlite(error: Exception) -> str:
    """Return what to do about a SQLite file that cannot be used, "" for any other failure."""
    said = getattr(error, "orig", None)
    if not isinstance(said, sqlite3.DatabaseError):
        return ""
    return _SQLITE_ADVICE.get(getattr(said, "sqlite_errorcode", 0) & 0xFF, "")


def is_sqlite_busy(error: BaseException | None) -> bool:
    """Return whether the driver gave up waiting for another connection's lock."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    primary_code = error.sqlite_errorcode & 0xFF
    return primary_code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def describe_failure(error: Exception, url: URL) -> str:
    """Return what the driver said, without passwords and without a full stop."""
    said = str(getattr(error, "orig", None) or error)
    return remove_secrets(said, url).rstrip(".")
