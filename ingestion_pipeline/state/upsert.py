"""Insert-or-replace, the one statement that SQLAlchemy spells differently per database."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def build_upsert(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that replaces every other column where the primary key is there already.

    Run with a list of rows it is one batch: SQLite binds row by row, so its limit of variables per
    statement is never met, and Postgres gets 1,000 rows a round trip.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    replaced = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=replaced
    )
