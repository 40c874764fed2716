"""Ingesting by URL, syncing everything, and the history: as two of the documents have it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Literal

import dagster as dg
from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ingestion_pipeline.api.job_routes import IdempotencyKey, name_requester
from ingestion_pipeline.api.jobs import JobDoor
from ingestion_pipeline.api.options import SyncRequest
from ingestion_pipeline.api.problems import document_change, document_reading
from ingestion_pipeline.api.turnstile import Turnstile
from ingestion_pipeline.api.views import JobView
from ingestion_pipeline.composition import Services, parse_github_reference
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.errors import (
    ConfigurationError,
    HostNotAllowedError,
    InvalidRepositoryNameError,
)
from ingestion_pipeline.core.jobs import Accepted, Job, JobStatus
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.core.state import SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.job_runs import LOCATION_NAME
from ingestion_pipeline.orchestration.sweeps import begin_sweep, read_standing
from ingestion_pipeline.tracking.track import track_repository

_LONGEST_URL = 500


class IngestRequest(BaseModel):
    """Which repository."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://github.com/o/n"}]}
    )

    url: str = Field(max_length=_LONGEST_URL, description="As people write it; `o/n` will do.")


class Dispatched(BaseModel):
    """A submission that was accepted."""

    status: Literal["dispatched"] = "dispatched"
    job_id: str
    queue_position: int = Field(description="1 for the next one, 0 for one that has begun.")
    target: str = Field(default=LOCATION_NAME, description="Dagster's code location.")
    queue_size: int
    max_queue_size: int


class SweepStarted(BaseModel):
    """A sync of everything that is stale."""

    status: Literal["started"] = "started"
    sync_id: str
    total: int = Field(description="Repositories to check.")


class SweepStatus(BaseModel):
    """How the sync of everything, or else whatever is synced, stands."""

    status: Literal["running", "idle"]
    progress: int = Field(description="Repositories that nothing is left to do for.")
    total: int = Field(description="Tracked repositories.")
    sync_id: str | None = None
    problem: str | None = Field(
        default=None, description="What kept the newest check from being whole."
    )


class HistoryLine(BaseModel):
    """One sync that ended; what does not belong to its status is absent."""

    repo_url: str
    status: Literal["complete", "failed", "skipped"]
    duration_seconds: float | None = None
    files_processed: int | None = None
    embeddings_generated: int | None = None
    error: str | None = None
    reason: str | None = None
    age_seconds: int | None = None
    timestamp: str


class History(BaseModel):
    """The newest first."""

    jobs: list[HistoryLine]


def make_ingestion_router(
    door: JobDoor, services: Services, instance: dg.DagsterInstance, turnstile: Turnstile
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["ingestion"])
    refusals = document_change(400, 404, 409, 422, 429, 503)

    def accept(reference: str, request: Request, key: str) -> Accepted:
        name = _parse_name(services, reference)
        repeated = door.find_repeated(key, name)
        if repeated is not None:
            return repeated
        row = _track(services, name, turnstile)
        return door.submit(row, SyncRequest(), name_requester(request), key)

    @router.post("/api/v1/ingest", status_code=202, responses=refusals)
    def ingest(
        asked: IngestRequest, request: Request, idempotency_key: IdempotencyKey = ""
    ) -> JobView:
        """Track a repository, if it is not, and queue a sync of it."""
        return door.show(accept(asked.url, request, idempotency_key).job)

    @router.post("/api/v1/ingestion/ingest/{repo_url:path}", responses=refusals)
    def dispatch(
        repo_url: str, request: Request, idempotency_key: IdempotencyKey = ""
    ) -> Dispatched:
        """Track a repository, if it is not, and queue a sync of it."""
        accepted = accept(repo_url, request, idempotency_key)
        return Dispatched(
            job_id=accepted.job.job_id,
            queue_position=door.find_position(accepted.job),
            queue_size=accepted.queue_size,
            max_queue_size=services.settings.max_queued_jobs,
        )

    @router.post("/api/v1/sync", status_code=202, responses=document_change(503))
    def sync_all(request: Request) -> SweepStarted:
        """Begin to sync every tracked repository that is stale; one such sync at a time."""
        sweep = begin_sweep(services, name_requester(request))
        door.wake()
        return SweepStarted(sync_id=sweep.sweep_id, total=sweep.total)

    @router.get("/api/v1/sync/status", responses=document_reading(503))
    def read_sync_status() -> SweepStatus:
        """Return how the sync of everything stands, or what else is under way."""
        newest = services.state.jobs.find_newest_sweep()
        sweep, left = read_standing(services, instance)
        total = sweep.total if sweep else len(services.state.list_repositories())
        return SweepStatus(
            status="running" if sweep or left else "idle",
            progress=max(0, total - left),
            total=total,
            sync_id=newest.sweep_id if newest else None,
            problem=(newest.problem or None) if newest else None,
        )

    @router.get(
        "/api/v1/ingestion/jobs/history",
        responses=document_reading(422, 503),
        response_model_exclude_none=True,
    )
    def read_history(limit: Annotated[int, Query(ge=1, le=100)] = 10) -> History:
        """Return the newest syncs that ended, whoever asked for them, and skipped jobs."""
        state = services.state
        urls = {
            row.partition_key: row.address
            for row in state.list_repositories(include_untracked=True)
        }
        lines = [describe_sync(line, urls) for line in state.list_syncs(limit=limit)]
        skipped = state.jobs.list_ended(JobStatus.SKIPPED, limit)
        lines += [describe_skipped(job, urls) for job in skipped]
        lines.sort(key=lambda entry: entry[0], reverse=True)
        return History(jobs=[line for _, line in lines[:limit]])

    return router


def _parse_name(services: Services, reference: str) -> str:
    try:
        return parse_github_reference(services.settings, reference)
    except InvalidRepositoryNameError as error:
        raise InvalidRepositoryNameError(f"Invalid repository URL. {error}") from error


def _track(services: Services, name: str, turnstile: Turnstile) -> TrackedRepository:
    """Return the tracked repository; local paths are nobody's to give over the network."""
    known = services.state.find_repository(name)
    if known is not None and known.source.kind is SourceKind.GITHUB:
        return known
    hosts = list_remote_hosts(services)
    with turnstile.passing(), telling_taken_names():
        return track_repository(name, None, hosts, services.state, services.clock)


@contextmanager
def telling_taken_names() -> Iterator[None]:
    """Make it a 409 that another repository is tracked under a name."""
    try:
        yield
    except HostNotAllowedError:
        raise
    except ConfigurationError as error:
        raise HTTPException(409, str(error)) from error


def list_remote_hosts(services: Services) -> Mapping[SourceKind, CodeHost]:
    """Return the hosts that may be named over the network: paths of this machine may not."""
    return {kind: host for kind, host in services.hosts.items() if kind is not SourceKind.LOCAL}


def describe_sync(line: SyncRecord, urls: Mapping[str, str]) -> tuple[datetime, HistoryLine]:
    """Return when a sync ended, and what is told of it."""
    at = line.started_at + timedelta(seconds=line.duration_seconds)
    where = urls.get(line.partition_key, line.partition_key)
    if line.status is SyncStatus.COMPLETE:
        return at, HistoryLine(
            repo_url=where,
            status="complete",
            duration_seconds=round(line.duration_seconds, 3),
            files_processed=line.files_parsed,
            embeddings_generated=line.points_embedded,
            timestamp=format_utc(at),
        )
    error = line.error or f"The sync was {line.status}."
    return at, HistoryLine(repo_url=where, status="failed", error=error, timestamp=format_utc(at))


def describe_skipped(job: Job, urls: Mapping[str, str]) -> tuple[datetime, HistoryLine]:
    """Return when a job was skipped, and what is told of it."""
    at = job.ended_at or job.accepted_at
    return at, HistoryLine(
        repo_url=urls.get(job.partition_key, job.partition_key),
        status="skipped",
        reason=job.error,
        age_seconds=int((at - job.accepted_at).total_seconds()),
        timestamp=format_utc(at),
    )
