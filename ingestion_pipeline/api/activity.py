"""What runs now and what ended lately, for people: gathered here, rendered elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import StateStore, SyncProgress, SyncRecord
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.orchestration.run_facts import list_active_runs
from ingestion_pipeline.orchestration.tags import JOB_TAG, REQUESTED_BY_TAG

_STATUSES = {
    Status.QUEUED: JobStatus.QUEUED,
    Status.NOT_STARTED: JobStatus.QUEUED,
    Status.STARTING: JobStatus.QUEUED,
    Status.STARTED: JobStatus.RUNNING,
    Status.CANCELING: JobStatus.CANCELLING,
}


@dataclass(frozen=True, slots=True)
class ActiveSync:
    """One sync that waits or works.

    Args:
        name: Partition key.
        status: ``queued``, ``running`` or ``cancelling``.
        since: When it began, or was asked for where it has not begun.
        requested_by: Who asked over HTTP, "" for a run of Dagster's own.
        progress: Of its run; None before the first.
    """

    name: str
    status: JobStatus
    since: datetime
    requested_by: str = ""
    progress: SyncProgress | None = None


@dataclass(frozen=True, slots=True)
class EndedSync:
    """One line of the history.

    Args:
        name: Partition key at that time.
        status: ``complete``, ``failed``, ``canceled`` or ``skipped``.
        ended_at: When.
        record: What the run did; None for a job that never ran.
        error: Why it failed or was skipped, "" otherwise.
    """

    name: str
    status: str
    ended_at: datetime
    record: SyncRecord | None = None
    error: str = ""


def list_active(services: Services, instance: dg.DagsterInstance) -> list[ActiveSync]:
    """Return what works, then what waits, each the longest first."""
    state = services.state
    progress = {known.run_id: known for known in state.list_progress()}
    jobs = {job.job_id: job for job in state.jobs.list_unended()}
    records = list_active_runs(instance)
    syncs = [_show_run(record, progress, jobs) for record in records]
    handed_over = {record.dagster_run.tags.get(JOB_TAG) for record in records}
    syncs += [_show_job(job) for job in jobs.values() if job.job_id not in handed_over]
    return sorted(syncs, key=lambda sync: (sync.status is JobStatus.QUEUED, sync.since, sync.name))


def list_ended(state: StateStore, limit: int) -> list[EndedSync]:
    """Return the runs that ended and the jobs that were skipped, the last one first."""
    skipped = state.jobs.list_ended(JobStatus.SKIPPED, limit)
    syncs = [_show_record(record) for record in state.list_syncs(limit=limit)]
    syncs += [
        EndedSync(job.partition_key, job.status.value, job.ended_at, error=job.error)
        for job in skipped
        if job.ended_at is not None
    ]
    return sorted(syncs, key=lambda sync: sync.ended_at, reverse=True)[:limit]


def _show_run(
    record: dg.RunRecord, progress: Mapping[str, SyncProgress], jobs: Mapping[str, Job]
) -> ActiveSync:
    run = record.dagster_run
    job = jobs.get(run.tags.get(JOB_TAG, ""))
    is_to_end = job is not None and job.cancel_asked_at is not None
    begun = record.start_time or record.create_timestamp.timestamp()
    return ActiveSync(
        run.tags[PARTITION_TAG],
        JobStatus.CANCELLING if is_to_end else _STATUSES[run.status],
        datetime.fromtimestamp(begun, UTC),
        run.tags.get(REQUESTED_BY_TAG, ""),
        progress.get(run.run_id),
    )


def _show_job(job: Job) -> ActiveSync:
    since = job.started_at or job.accepted_at
    return ActiveSync(job.partition_key, job.status, since, job.requested_by)


def _show_record(record: SyncRecord) -> EndedSync:
    ended_at = record.started_at + timedelta(seconds=record.duration_seconds)
    return EndedSync(
        record.partition_key, record.status.value, ended_at, record, error=record.error
    )
