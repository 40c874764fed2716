"""Named locks that die with their process and are seen by all who share the database."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout
from sqlalchemy import URL, Connection, NullPool, text
from sqlalchemy.exc import OperationalError

from ingestion_pipeline.core.errors import (
    ConfigurationError,
    RepositoryBusyError,
    TransientError,
)
from ingestion_pipeline.state.database_url import describe_database
from ingestion_pipeline.state.engine import describe_failure, make_engine

# A vanished host leaves its connection open on the server; these settings of the lock's own session
# end it after about a minute instead of two hours. Sessions over a Unix socket ignore them.
_NOTICE_VANISHED_HOST = (
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)


def _digest(name: str) -> bytes:
    return hashlib.blake2b(f"ingestion_pipeline:{name}".encode(), digest_size=8).digest()


def _advisory_key(name: str) -> int:
    return int.from_bytes(_digest(name), "big", signed=True)


def _busy(name: str) -> RepositoryBusyError:
    return RepositoryBusyError(
        f"Another run or command holds {name}. Wait until it ends, or cancel it, then try again."
    )


@contextmanager
def hold_file_lock(database: Path, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold ``flock`` on a file in ``<database>.locks``, for SQLite.

    The files stay: removing one lets two processes hold "the same" lock.

    Args:
        database: The SQLite file.
        name: Any text.
        wait_seconds: How long to wait for the lock; 0 refuses at once.

    Raises:
        RepositoryBusyError: Held by another thread or process, and not released in time.
        ConfigurationError: The folder is not writable, or its file system has no file locks.
    """
    folder = Path(f"{database}.locks")
    # A digest, because names differ in case and length more than file systems allow.
    lock = FileLock(folder / f"{_digest(name).hex()}.lock", thread_local=False)
    try:
        folder.mkdir(exist_ok=True)
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise _busy(name) from None
    except OSError as error:
        raise ConfigurationError(
            f"Cannot lock in {folder}: {error.strerror}. Make the folder writable, or set another "
            "place for the state database."
        ) from error
    try:
        if isinstance(lock, SoftFileLock):
            # filelock falls back to a mere file, which would outlive a killed process.
            raise ConfigurationError(
                f"The file system of {folder} has no file locks. Keep the state database on a "
                "local disk, or use Postgres."
            )
        yield
    finally:
        lock.release()


@contextmanager
def hold_advisory_lock(url: URL, name: str) -> Iterator[None]:
    """Hold a session-level advisory lock of a Postgres database, on a connection of its own.

    A pooler that gives one session to several clients (PgBouncer in transaction mode) must not
    stand in between. If the server restarts meanwhile, the lock is lost without the holder hearing
    of it; the order of writes of a sync bears that.

    Raises:
        RepositoryBusyError: Another session holds it.
        TransientError: The server does not answer.
    """
    # NullPool: closing the connection ends the session, and with it the lock, in every case.
    engine = make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise TransientError(
            f"Cannot lock {name}: the state database {describe_database(url)} does not answer "
            f"({describe_failure(error, url)}). Try again, and see whether the database is up."
        ) from None
    with connection:
        for statement in _NOTICE_VANISHED_HOST:
            connection.exec_driver_sql(statement)
        query = text("SELECT pg_try_advisory_lock(:key)")
        if not connection.scalar(query, {"key": _advisory_key(name)}):
            raise _busy(name)
        yield


def wait_for_transaction_lock(connection: Connection, name: str, wait_seconds: float) -> None:
    """Take an advisory lock that ends with the Postgres transaction at hand.

    Raises:
        OperationalError: Not released within ``wait_seconds`` (SQLSTATE 55P03).
    """
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(wait_seconds * 1000)}")
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _advisory_key(name)})
