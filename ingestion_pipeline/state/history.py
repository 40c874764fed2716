"""Statements on ``ingestion_history``; the caller holds the transaction."""

from sqlalchemy import Connection, or_, select

from ingestion_pipeline.core.state import SyncRecord
from ingestion_pipeline.state import rows, tracked
from ingestion_pipeline.state.tables import ingestion_history as table
from ingestion_pipeline.state.upsert import build_upsert


def record(connection: Connection, sync: SyncRecord) -> None:
    """Insert or replace the line of a run."""
    connection.execute(build_upsert(connection, table), [rows.sync_columns(sync)])


def list_newest(connection: Connection, partition_key: str | None, limit: int) -> list[SyncRecord]:
    """Return the newest lines first.

    The lines of a key are those written under it, and all of the source that has it now, so that
    a renamed repository keeps its history.
    """
    query = select(table).order_by(table.c.started_at.desc(), table.c.run_id).limit(limit)
    if partition_key is not None:
        repository = tracked.find(connection, partition_key)
        of_key = table.c.partition_key == partition_key
        query = query.where(
            or_(of_key, rows.is_source(table, repository.source)) if repository else of_key
        )
    return [rows.read_sync(row) for row in connection.execute(query).mappings()]
