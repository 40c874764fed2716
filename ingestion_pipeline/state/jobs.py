"""The real adapter of the ``JobStore`` port, for SQLite and Postgres."""

from contextlib import AbstractContextManager
from dataclasses import asdict, replace
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
    Sweep,
)
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.engine import begin_transaction
from ingestion_pipeline.state.tables import sync_jobs as table
from ingestion_pipeline.state.tables import sync_sweeps as sweeps

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
            _wait_for_others(connection)
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
            waiting -= active is not None and active.takes_a_place
            if waiting >= max_queued and not job.sweep_id:
                raise QueueFullError(waiting, max_queued)
            if active is not None:
                active = replace(active, cancel_asked_at=job.accepted_at)
                _set(connection, active.job_id, cancel_asked_at=job.accepted_at)
            connection.execute(insert(table), [rows.job_columns(job)])
            return Accepted(job, True, active, waiting + (not job.sweep_id))

    def find_by_key(self, idempotency_key: str) -> Job | None:
        """Return the job that was accepted under a key; "" is none."""
        with self._reading() as connection:
            return _find_by_key(connection, idempotency_key)

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

    def list_ended(self, status: JobStatus, limit: int) -> list[Job]:
        """Return the jobs that ended this way, the last one first."""
        query = (
            select(table)
            .where(table.c.ended_as == status.value)
            .order_by(table.c.ended_at.desc(), table.c.job_id)
            .limit(limit)
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

    def record_ended(
        self, job_id: str, status: JobStatus, at: datetime, error: str = "", result: str = ""
    ) -> bool:
        """Note the end; see the port."""
        said = {"error": rows.clean_text(error), "result": rows.clean_text(result)}
        values = {"ended_at": at, "ended_as": status.value, **said}
        with self._writing() as connection:
            return _set(connection, job_id, table.c.ended_at.is_(None), **values) > 0

    def ask_to_cancel(self, job_id: str, at: datetime) -> Job | None:
        """Note that the job is to end; see the port."""
        still = and_(table.c.cancel_asked_at.is_(None), table.c.ended_at.is_(None))
        with self._writing() as connection:
            _set(connection, job_id, still, cancel_asked_at=at)
            return _find(connection, table.c.job_id == job_id)

    def begin_sweep(self, sweep: Sweep) -> Sweep:
        """Store a sweep unless one has not ended; see the port."""
        with self._writing() as connection:
            _wait_for_others(connection)
            unended = select(sweeps).where(sweeps.c.ended_at.is_(None))
            known = connection.execute(unended).mappings().first()
            if known is not None:
                return Sweep(**known)
            connection.execute(insert(sweeps), [asdict(sweep)])
            return sweep

    def find_newest_sweep(self) -> Sweep | None:
        """Return the sweep that was asked for last."""
        # One that has not ended goes first, whatever clocks say.
        order = (sweeps.c.ended_at.is_(None).desc(), sweeps.c.asked_at.desc(), sweeps.c.sweep_id)
        query = select(sweeps).order_by(*order).limit(1)
        with self._reading() as connection:
            row = connection.execute(query).mappings().first()
            return Sweep(**row) if row else None

    def record_sweep_checked(
        self, sweep_id: str, total: int, at: datetime, problem: str = ""
    ) -> None:
        """Note that the jobs of a sweep are there; only the first time counts."""
        values = {"checked_at": at, "total": total, "problem": rows.clean_text(problem)}
        with self._writing() as connection:
            _set_sweep(connection, sweep_id, sweeps.c.checked_at, values)

    def record_sweep_ended(self, sweep_id: str, at: datetime) -> None:
        """Note the end of a sweep; only the first time counts."""
        with self._writing() as connection:
            _set_sweep(connection, sweep_id, sweeps.c.ended_at, {"ended_at": at})

    def count_unended(self, sweep_id: str) -> int:
        """Return how many jobs of a sweep were not seen to end."""
        query = select(func.count()).where(table.c.sweep_id == sweep_id, table.c.ended_at.is_(None))
        with self._reading() as connection:
            return connection.scalar(query) or 0


def _wait_for_others(connection: Connection) -> None:
    """Let one caller in at a time, as SQLite does with writers anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ACCEPTANCE})


def _set_sweep(
    connection: Connection, sweep_id: str, unset: ColumnElement[Any], values: dict[str, Any]
) -> None:
    where = (sweeps.c.sweep_id == sweep_id, unset.is_(None))
    connection.execute(update(sweeps).where(*where).values(**values))


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
    waits = and_(_is_active(), table.c.started_at.is_(None), table.c.sweep_id == "")
    return connection.scalar(select(func.count()).where(waits)) or 0
