"""Statements on ``ingestion_history``; the caller holds the transaction."""

from sqlalchemy import Connection, or_, select

from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import SyncRecord
from ingestion_pipeline.state import rows, tracked
from ingestion_pipeline.state.tables import ingestion_history as table
from ingestion_pipeline.state.tables import tracked_repositories
from ingestion_pipeline.state.upsert import build_upsert


def record(connection: Connection, sync: SyncRecord) -> None:
    """Insert or replace the line of a run."""
    connection.execute(build_upsert(connection, table), [rows.sync_columns(sync)])


def find(connection: Connection, run_id: str) -> SyncRecord | None:
    """Return the line of a run."""
    row = connection.execute(select(table).where(table.c.run_id == run_id)).mappings().one_or_none()
    return rows.read_sync(row) if row else None


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


def list_newest_of_all(connection: Connection) -> dict[SourceId, SyncRecord]:
    """Return source → its newest line, for all tracked sources that have one."""
    known = tracked_repositories
    newest = (
        select(table.c.run_id)
        .where(table.c.source_kind == known.c.source_kind, table.c.source_id == known.c.source_id)
        .order_by(table.c.started_at.desc(), table.c.run_id)
        .limit(1)
        .correlate(known)
        .scalar_subquery()
    )
    query = select(table).join(known, table.c.run_id == newest)
    found = connection.execute(query.where(known.c.untracked_at.is_(None))).mappings()
    return {rows.source_of(row): rows.read_sync(row) for row in found}
