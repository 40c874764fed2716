"""Migrations: bringing a database to a revision, and comparing it with the tables.

The migrations are files of this package, so an installed wheel has them and no ``alembic.ini`` is
needed. A new one is a new file in ``migrations/versions``, written by hand after what
``check_state`` reports; ``revision.HEAD_REVISION`` then names it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.state.database_url import describe_database, is_sqlite, parse_database_url
from ingestion_pipeline.state.engine import begin_transaction, make_engine, set_wal_mode
from ingestion_pipeline.state.locks import hold_file_lock, wait_for_transaction_lock
from ingestion_pipeline.state.revision import VERSION_TABLE, read_revision, read_revision_on
from ingestion_pipeline.state.tables import metadata

_LOCK_NAME = "the migration of the state database"
_LOCK_WAIT_SECONDS = 120
_MIGRATIONS = Path(__file__).parent / "migrations"

# Alembic keeps its context in module globals, so one thread at a time, whatever the database.
_alembic_turn = threading.Lock()


def upgrade_state(url: str, revision: str = "head") -> None:
    """Migrate up to ``revision``, creating a SQLite file and its folder where there is none.

    All of it is one transaction, and processes that do it at the same moment wait for each other.

    Raises:
        ConfigurationError: The URL is malformed, the database cannot be reached, it was migrated by
            a newer version of this program, or there is no such revision.
        TransientError: Another process migrates and did not end in time.
    """
    _migrate(command.upgrade, url, revision)


def downgrade_state(url: str, revision: str) -> None:
    """Migrate down to ``revision``; ``base`` removes the tables and all they hold.

    Raises:
        The errors of ``upgrade_state``.
    """
    _migrate(command.downgrade, url, revision)


def get_current_revision(url: str) -> str | None:
    """Return the database's revision, None when it was never migrated or does not exist yet.

    Raises:
        ConfigurationError: The URL is malformed or the database cannot be reached.
    """
    parsed = parse_database_url(url)
    if is_sqlite(parsed) and not Path(str(parsed.database)).exists():
        return None
    with _open_engine(parsed) as engine:
        return read_revision(engine)


def check_state(url: str) -> list[str]:
    """Return how the database differs from the tables this version needs; empty for not at all.

    Tables of others in the same database are not looked at.

    Raises:
        ConfigurationError: The URL is malformed or the database cannot be reached.
    """
    with _open_engine(parse_database_url(url)) as engine:
        read_revision(engine)
        with begin_transaction(engine, writes=False) as connection, _alembic_turn:
            context = MigrationContext.configure(
                connection, opts={"version_table": VERSION_TABLE, "include_name": _is_our_name}
            )
            return [str(difference) for difference in compare_metadata(context, metadata)]


def list_revisions() -> list[str]:
    """Return the revisions this version of the program knows, newest first."""
    return [script.revision for script in _open_scripts(Config()).walk_revisions()]


def create_sqlite_folder(url: URL) -> None:
    """Create the folder that a SQLite file will lie in.

    Raises:
        ConfigurationError: It cannot be created.
    """
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot create {folder} for the state database: {error.strerror}. Make its parent "
            "folder writable, or set another place for the state database."
        ) from error


def _is_our_name(name: str | None, type_: str, _parents: object) -> bool:
    return type_ != "table" or name in metadata.tables


def _migrate(step: Callable[[Config, str], object], url: str, revision: str) -> None:
    parsed = parse_database_url(url)
    with _open_for_migration(parsed) as connection, _alembic_turn:
        config = Config(attributes={"connection": connection})
        scripts = _open_scripts(config)
        _require_known_revision(read_revision_on(connection), scripts, parsed)
        try:
            step(config, revision)
        except CommandError as error:
            raise ConfigurationError(
                f"Cannot migrate the state database to {revision!r}: {error}. Revisions are head, "
                f"base, {', '.join(list_revisions())}."
            ) from error


def _open_scripts(config: Config) -> ScriptDirectory:
    # "%" would be read as the start of an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def _require_known_revision(current: str | None, scripts: ScriptDirectory, url: URL) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise ConfigurationError(
            f"The state database {describe_database(url)} is at revision {current!r}, which this "
            "version of the program does not know: a newer one migrated it. Upgrade the program, "
            "or set another state database."
        )


@contextmanager
def _open_engine(url: URL) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _open_for_migration(url: URL) -> Iterator[Connection]:
    if not is_sqlite(url):
        with _open_engine(url) as engine:
            read_revision(engine)
            with begin_transaction(engine, writes=True) as connection:
                wait_for_transaction_lock(connection, _LOCK_NAME, _LOCK_WAIT_SECONDS)
                yield connection
        return
    create_sqlite_folder(url)
    database = Path(str(url.database))
    with (
        hold_file_lock(database, _LOCK_NAME, wait_seconds=_LOCK_WAIT_SECONDS),
        _open_engine(url) as engine,
    ):
        read_revision(engine)
        set_wal_mode(engine)
        with begin_transaction(engine, writes=True) as connection:
            yield connection
