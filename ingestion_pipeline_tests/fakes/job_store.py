"""The job store port in memory; every method holds one lock, as a transaction would."""

import threading
from dataclasses import replace
from datetime import datetime
from typing import Any

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


class FakeJobStore(JobStore):
    """Starts empty."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._rows: dict[str, Job] = {}
        self._sweeps: dict[str, Sweep] = {}

    def accept(self, job: Job, max_queued: int, *, force: bool = False) -> Accepted:
        with self._mutex:
            jobs = self._rows.values()
            for known in jobs:
                if job.idempotency_key and known.idempotency_key == job.idempotency_key:
                    if known.request_digest != job.request_digest:
                        raise IdempotencyConflictError("This Idempotency-Key is taken.")
                    return Accepted(known, False, None, len(self._list_waiting()))
            active = next(
                (
                    known
                    for known in jobs
                    if known.source == job.source
                    and known.status in (JobStatus.QUEUED, JobStatus.RUNNING)
                ),
                None,
            )
            if active is not None and not force:
                raise JobInProgressError(active)
            waiting = len([known for known in self._list_waiting() if known != active])
            if waiting >= max_queued and not job.sweep_id:
                raise QueueFullError(waiting, max_queued)
            if active is not None:
                active = self._change(active.job_id, cancel_asked_at=job.accepted_at)
            self._rows[job.job_id] = job
            return Accepted(job, True, active, waiting + (not job.sweep_id))

    def find_by_key(self, idempotency_key: str) -> Job | None:
        with self._mutex:
            rows = {row.idempotency_key: row for row in self._rows.values()}
        return rows.get(idempotency_key) if idempotency_key else None

    def find_job(self, job_id: str) -> Job | None:
        return self._rows.get(job_id)

    def list_unended(self) -> list[Job]:
        with self._mutex:
            rows = [row for row in self._rows.values() if row.ended_at is None]
        return sorted(rows, key=lambda row: (row.accepted_at, row.job_id))

    def list_ended(self, status: JobStatus, limit: int) -> list[Job]:
        with self._mutex:
            rows = [row for row in self._rows.values() if row.ended_as is status]
        rows.sort(key=lambda row: row.job_id)
        return sorted(rows, key=lambda row: str(row.ended_at), reverse=True)[:limit]

    def record_dispatched(self, job_id: str, at: datetime) -> None:
        self._change_once(job_id, "dispatched_at", at)

    def record_started(self, job_id: str, at: datetime) -> None:
        self._change_once(job_id, "started_at", at)

    def record_ended(
        self, job_id: str, status: JobStatus, at: datetime, error: str = "", result: str = ""
    ) -> bool:
        said = {"ended_as": status, "error": error, "result": result}
        return self._change_once(job_id, "ended_at", at, **said)

    def ask_to_cancel(self, job_id: str, at: datetime) -> Job | None:
        with self._mutex:
            row = self._rows.get(job_id)
            if row is not None and row.ended_at is None:
                self._change_once(job_id, "cancel_asked_at", at)
            return self._rows.get(job_id)

    def begin_sweep(self, sweep: Sweep) -> Sweep:
        with self._mutex:
            for known in self._sweeps.values():
                if known.ended_at is None:
                    return known
            self._sweeps[sweep.sweep_id] = sweep
            return sweep

    def find_newest_sweep(self) -> Sweep | None:
        with self._mutex:
            return max(
                self._sweeps.values(),
                key=lambda sweep: (sweep.ended_at is None, sweep.asked_at),
                default=None,
            )

    def record_sweep_checked(
        self, sweep_id: str, total: int, at: datetime, problem: str = ""
    ) -> None:
        with self._mutex:
            sweep = self._sweeps[sweep_id]
            if sweep.checked_at is None:
                checked = replace(sweep, checked_at=at, total=total, problem=problem)
                self._sweeps[sweep_id] = checked

    def record_sweep_ended(self, sweep_id: str, at: datetime) -> None:
        with self._mutex:
            sweep = self._sweeps[sweep_id]
            if sweep.ended_at is None:
                self._sweeps[sweep_id] = replace(sweep, ended_at=at)

    def count_unended(self, sweep_id: str) -> int:
        return sum(job.sweep_id == sweep_id for job in self.list_unended())

    def _list_waiting(self) -> list[Job]:
        return [row for row in self._rows.values() if row.takes_a_place]

    def _change(self, job_id: str, **changes: Any) -> Job:
        self._rows[job_id] = replace(self._rows[job_id], **changes)
        return self._rows[job_id]

    def _change_once(self, job_id: str, name: str, at: datetime, **changes: Any) -> bool:
        with self._mutex:
            row = self._rows.get(job_id)
            if row is None or getattr(row, name) is not None:
                return False
            self._change(job_id, **{name: at, **changes})
            return True
