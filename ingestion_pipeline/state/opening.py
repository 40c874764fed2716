"""The way into this room: a URL becomes a store whose tables are up to date."""

from pathlib import Path

from sqlalchemy import URL, Engine

from ingestion_pipeline.state.database_url import is_sqlite, parse_database_url
from ingestion_pipeline.state.engine import make_engine
from ingestion_pipeline.state.revision import HEAD_REVISION, read_revision
from ingestion_pipeline.state.store import SqlStateStore


def open_state_store(url: str) -> SqlStateStore:
    """Migrate the database to the newest revision, where it is not there, and open it.

    At the newest revision this costs one connection and one read. Any number of processes may do
    it at the same moment; one of them migrates.

    Args:
        url: ``sqlite:////path/state.db`` (file and folder are created) or
            ``postgresql://user:password@host:port/database`` (the database has to exist).

    Raises:
        ConfigurationError: The URL is malformed, the database cannot be reached, or a newer version
            of this program migrated it.
        TransientError: Another process migrates and did not end in time.
    """
    parsed = parse_database_url(url)
    engine = make_engine(parsed)
    try:
        if not _is_at_head(parsed, engine):
            _upgrade(url)
    except BaseException:
        engine.dispose()
        raise
    return SqlStateStore(engine)


def _is_at_head(url: URL, engine: Engine) -> bool:
    if is_sqlite(url) and not _has_content(Path(str(url.database))):
        return False
    return read_revision(engine) == HEAD_REVISION


def _has_content(database: Path) -> bool:
    return database.is_file() and database.stat().st_size > 0


def _upgrade(url: str) -> None:
    # Imported when needed: Alembic takes 0.2 s.
    from ingestion_pipeline.state.migrate import upgrade_state

    upgrade_state(url)
