"""Which revision a database is at: the one read that every opening costs.

Alembic is not imported here: it takes 0.2 s, and a database at head does not need it.
"""

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from ingestion_pipeline.core.errors import ConfigurationError, TransientError
from ingestion_pipeline.state.database_url import describe_database
from ingestion_pipeline.state.engine import advise_on_sqlite, describe_failure, is_sqlite_busy

# A table of our own name: Dagster's tables, with their own alembic_version, may live beside ours.
VERSION_TABLE = "ingestion_pipeline_version"

# The newest file in migrations/versions; a test holds the two together.
HEAD_REVISION = "0007"


def read_revision(engine: Engine) -> str | None:
    """Return the database's revision, None when it was never migrated.

    The first contact with a database, so what is wrong with its URL shows here.

    Raises:
        ConfigurationError: The database cannot be reached, or is none.
        TransientError: Another process kept it locked for too long.
    """
    try:
        with engine.connect() as connection:
            return read_revision_on(connection)
    except DBAPIError as error:
        where, said = describe_database(engine.url), describe_failure(error, engine.url)
        if is_sqlite_busy(error.orig):
            raise TransientError(
                f"The state database {where} is busy: {said}. Try again."
            ) from None
        advice = advise_on_sqlite(error) or (
            "See that it is up and that the URL, user and password are right, or that the file and "
            "its folder can be read and written."
        )
        raise ConfigurationError(
            f"Cannot use the state database {where}: {said}. {advice}"
        ) from None


def read_revision_on(connection: Connection) -> str | None:
    """Return the revision that the transaction at hand sees, None when there is none."""
    query = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - our own constant
    try:
        with connection.begin_nested():
            return connection.scalar(query)
    except (OperationalError, ProgrammingError):
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
    # Another process created it between the two looks, or something else is wrong and shows again.
    return connection.scalar(query)
