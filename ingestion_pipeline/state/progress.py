"""Statements on ``sync_progress``; the caller holds the transaction."""

from sqlalchemy import Connection, delete, select

from ingestion_pipeline.core.state import SyncProgress
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.tables import sync_progress as table
from ingestion_pipeline.state.upsert import build_upsert


def save(connection: Connection, progress: SyncProgress) -> None:
    """Insert or replace the progress of a run."""
    connection.execute(build_upsert(connection, table), [rows.progress_columns(progress)])


def find(connection: Connection, run_id: str) -> SyncProgress | None:
    """Return the progress of a run."""
    query = select(table).where(table.c.run_id == run_id)
    row = connection.execute(query).mappings().one_or_none()
    return rows.read_progress(row) if row else None


def list_all(connection: Connection) -> list[SyncProgress]:
    """Return the progress of every run, ordered by run id."""
    query = select(table).order_by(table.c.run_id)
    return [rows.read_progress(row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, run_id: str) -> None:
    """Remove the progress of a run."""
    connection.execute(delete(table).where(table.c.run_id == run_id))
