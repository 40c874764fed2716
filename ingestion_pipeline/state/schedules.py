"""Statements on ``check_schedules``; the caller holds the transaction."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, update

from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.tables import check_schedules as table
from ingestion_pipeline.state.tables import received_webhooks
from ingestion_pipeline.state.upsert import build_insert, build_upsert

# GitHub's own page offers to send what is this old once more.
# https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
_DELIVERIES_KEPT = timedelta(days=3)


def list_all(connection: Connection) -> dict[SourceId, CheckSchedule]:
    """Return source → schedule."""
    found = connection.execute(select(table)).mappings()
    return {rows.source_of(row): rows.read_schedule(row) for row in found}


def set_many(connection: Connection, schedules: Mapping[SourceId, CheckSchedule]) -> None:
    """Clear the bumps that were answered, then store when to ask next, in two batches.

    Sorted by source, so that two ticks at the same moment never wait for each other in a circle.
    """
    ordered = sorted(schedules.items(), key=lambda item: str(item[0]))
    answered = [
        {"kind": source.kind.value, "id": source.stable_id, "answered": schedule.bumped_at}
        for source, schedule in ordered
        if schedule.bumped_at is not None
    ]
    if answered:
        is_answered = (
            table.c.source_kind == bindparam("kind"),
            table.c.source_id == bindparam("id"),
            table.c.bumped_at == bindparam("answered"),
        )
        connection.execute(update(table).where(*is_answered).values(bumped_at=None), answered)
    parameters = [
        {
            **rows.source_columns(source),
            "next_check_at": schedule.next_check_at,
            "failures": schedule.failures,
        }
        for source, schedule in ordered
    ]
    if parameters:
        connection.execute(build_upsert(connection, table, keep=["bumped_at"]), parameters)


def bump(connection: Connection, source: SourceId, at: datetime) -> None:
    """Note that a source changed; the rest of its schedule stays."""
    kept = ["next_check_at", "failures"]
    columns = {**rows.source_columns(source), "failures": 0, "bumped_at": at}
    connection.execute(build_upsert(connection, table, keep=kept), [columns])


def note_delivery(connection: Connection, delivery_id: str, at: datetime) -> bool:
    """Remember that a webhook was received; return whether it is new."""
    oldest = at - _DELIVERIES_KEPT
    connection.execute(delete(received_webhooks).where(received_webhooks.c.received_at < oldest))
    statement = build_insert(connection, received_webhooks).on_conflict_do_nothing()
    columns = {"delivery_id": delivery_id, "received_at": at}
    return connection.execute(statement.values(columns)).rowcount > 0


def remove(connection: Connection, source: SourceId) -> None:
    """Remove the schedule of a source."""
    connection.execute(delete(table).where(rows.is_source(table, source)))
