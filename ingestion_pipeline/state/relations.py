"""Statements on ``file_relations``; the caller holds the transaction."""

from sqlalchemy import Connection, delete, select

from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.tables import file_relations as table
from ingestion_pipeline.state.upsert import build_upsert


def save(connection: Connection, source: SourceId, branch: str, relations: FileRelations) -> None:
    """Insert or replace the relations of a branch."""
    columns = {**rows.source_columns(source), "branch": branch, "relations": relations.pack()}
    connection.execute(build_upsert(connection, table), [columns])


def find(connection: Connection, source: SourceId, branch: str) -> FileRelations | None:
    """Return the relations of a branch."""
    query = select(table.c.relations).where(rows.is_source(table, source, branch))
    packed = connection.execute(query).scalar_one_or_none()
    return None if packed is None else FileRelations.unpack(packed)


def remove(connection: Connection, source: SourceId, branch: str | None = None) -> None:
    """Remove the relations of a branch, or of all branches."""
    connection.execute(delete(table).where(rows.is_source(table, source, branch)))
