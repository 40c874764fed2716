"""Insert-or-else, the one statement that SQLAlchemy spells differently per database."""

from collections.abc import Collection

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def build_insert(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT of the connection's dialect, which knows what to do on a conflict."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(table)


def build_upsert(
    connection: Connection, table: Table, *, keep: Collection[str] = ()
) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that replaces the other columns where the primary key is there already.

    Run with a list of rows it is one batch: SQLite binds row by row, so its limit of variables per
    statement is never met, and Postgres gets 1,000 rows a round trip.

    Args:
        connection: Its dialect decides.
        table: Where to.
        keep: Columns that stay as they are in a row that is there.
    """
    statement = build_insert(connection, table)
    replaced = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in keep
    }
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=replaced
    )
