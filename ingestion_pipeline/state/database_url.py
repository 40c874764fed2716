"""Database URLs: which ones are allowed, and how one is shown without its password."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ingestion_pipeline.core.errors import ConfigurationError

_EXAMPLES = (
    "Give it as sqlite:////absolute/path/state.db or postgresql://user:password@host:5432/database "
    "(characters such as @ : / in a password are percent-encoded)."
)
_SQLITE = {"sqlite", "sqlite+pysqlite"}
# SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3, which is not what is installed here.
_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg2"}


def parse_database_url(url: str) -> URL:
    """Return ``url`` with its driver spelled out and a SQLite path made absolute.

    Raises:
        ConfigurationError: Malformed, or a database that is not supported. The message never holds
            any part of the URL but its scheme, because a malformed one may show its password
            anywhere.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"The state database's URL is malformed. {_EXAMPLES}") from None
    if parsed.drivername in _POSTGRES:
        return parsed.set(drivername="postgresql+psycopg2")
    if parsed.drivername in _SQLITE:
        return parsed.set(drivername="sqlite", database=_absolute_path(parsed.database))
    raise ConfigurationError(
        f"A state database of the kind {parsed.drivername!r} is not supported. {_EXAMPLES}"
    )


def _absolute_path(database: str | None) -> str:
    if not database or database == ":memory:" or database.startswith("file:"):
        raise ConfigurationError(
            f"The state has to outlive its process, so SQLite needs a path to a file. {_EXAMPLES}"
        )
    return str(Path(database).absolute())


def is_sqlite(url: URL) -> bool:
    """Return whether ``url``, as ``parse_database_url`` returned it, is a SQLite file."""
    return url.drivername == "sqlite"


def describe_database(url: URL) -> str:
    """Return where the database is, for messages: no password and no query string."""
    if is_sqlite(url):
        return f"{url.database} (SQLite)"
    host = url.host or "the local socket"
    port = f":{url.port}" if url.port else ""
    return f"{url.database or url.username or 'the default database'} at {host}{port} (Postgres)"


def remove_secrets(text: str, url: URL) -> str:
    """Return a driver's message with every password of ``url`` replaced by ``***``."""
    in_query = url.query.get("password", ())
    secrets = [in_query] if isinstance(in_query, str) else list(in_query)
    for secret in filter(None, [url.password, *secrets]):
        text = text.replace(str(secret), "***")
    return text.strip()
