"""The real adapter of the ``JobStore`` port, for SQLite and Postgres."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, insert, select, text, update

from ingestion_pipeline.core.jobs import (
    Accepted,
    IdempotencyConflictError,
    Job,
    JobInProgressError,
    JobStatus,
    JobStore,
    QueueFullError,
)
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.engine import begin_transaction
from ingestion_pipeline.state.tables import sync_jobs as table

# Any number, the same everywhere: who accepts jobs in one database waits for the others.
_ACCEPTANCE = 0x5359_4E43_4A4F_4253


class SqlJobStore(JobStore):
    """Jobs in the database of a ``SqlStateStore``, with the same errors and threads.

    Args:
        engine: The state store's, which disposes of it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _reading(self) -> AbstractContextManager[Connection]:
        return begin_transaction(self._engine, writes=False)

    def _writing(self) -> AbstractContextManager[Connection]:
        return begin_transaction(self._engine, writes=True)

    def accept(self, job: Job, max_queued: int, *, force: bool = False) -> Accepted:
        """Store a new job; see the port. SQLite lets one writer in at a time as it is."""
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ACCEPTANCE})
            known = _find_by_key(connection, job.idempotency_key)
            if known is not None:
                if known.request_digest != job.request_digest:
                    raise IdempotencyConflictError(
                        "This Idempotency-Key was given with another request before. Use a new one."
                    )
                return Accepted(known, False, None, _count_waiting(connection))
            active = _find_active(connection, job.source)
            if active is not None and not force:
                raise JobInProgressError(active)
            waiting = _count_waiting(connection)
            waiting -= active is not None and active.status is JobStatus.QUEUED
            if waiting >= max_queued:
                raise QueueFullError(waiting, max_queued)
            if active is not None:
                active = replace(active, cancel_asked_at=job.accepted_at)
                _set(connection, active.job_id, cancel_asked_at=job.accepted_at)
            connection.execute(insert(table), [rows.job_columns(job)])
            return Accepted(job, True, active, waiting + 1)

    def is_known(self, idempotency_key: str) -> bool:
        """Whether a job was accepted under a key; "" is none."""
        with self._reading() as connection:
            return _find_by_key(connection, idempotency_key) is not None

    def find_job(self, job_id: str) -> Job | None:
        """Return one job."""
        with self._reading() as connection:
            return _find(connection, table.c.job_id == job_id)

    def list_unended(self) -> list[Job]:
        """Return the jobs that were not seen to end, the oldest first."""
        query = (
            select(table)
            .where(table.c.ended_at.is_(None))
            .order_by(table.c.accepted_at, table.c.job_id)
        )
        with self._reading() as connection:
            return [rows.read_job(row) for row in connection.execute(query).mappings()]

    def record_dispatched(self, job_id: str, at: datetime) -> None:
        """Note that the job's run is in Dagster's queue; only the first time counts."""
        with self._writing() as connection:
            _set(connection, job_id, table.c.dispatched_at.is_(None), dispatched_at=at)

    def record_started(self, job_id: str, at: datetime) -> None:
        """Note that the job's run works; only the first time counts."""
        with self._writing() as connection:
            _set(connection, job_id, table.c.started_at.is_(None), started_at=at)

    def record_ended(self, job_id: str, status: JobStatus, at: datetime, error: str = "") -> bool:
        """Note the end; see the port."""
        values = {"ended_at": at, "ended_as": status.value, "error": rows.clean_text(error)}
        with self._writing() as connection:
            return _set(connection, job_id, table.c.ended_at.is_(None), **values) > 0

    def ask_to_cancel(self, job_id: str, at: datetime) -> Job | None:
        """Note that the job is to end; see the port."""
        still = and_(table.c.cancel_asked_at.is_(None), table.c.ended_at.is_(None))
        with self._writing() as connection:
            _set(connection, job_id, still, cancel_asked_at=at)
            return _find(connection, table.c.job_id == job_id)


def _set(connection: Connection, job_id: str, *where: ColumnElement[bool], **values: Any) -> int:
    statement = update(table).where(table.c.job_id == job_id, *where).values(**values)
    return connection.execute(statement).rowcount


def _find(connection: Connection, where: ColumnElement[bool]) -> Job | None:
    row = connection.execute(select(table).where(where)).mappings().one_or_none()
    return rows.read_job(row) if row else None


def _find_by_key(connection: Connection, key: str) -> Job | None:
    return _find(connection, table.c.idempotency_key == key) if key else None


def _is_active() -> ColumnElement[bool]:
    return and_(table.c.ended_at.is_(None), table.c.cancel_asked_at.is_(None))


def _find_active(connection: Connection, source: SourceId) -> Job | None:
    return _find(connection, and_(rows.is_source(table, source), _is_active()))


def _count_waiting(connection: Connection) -> int:
    query = select(func.count()).where(_is_active(), table.c.started_at.is_(None))
    return connection.scalar(query) or 0
