"""Submitting syncs, watching and ending them."""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import dagster as dg
from fastapi import APIRouter, Body, Depends, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, model_validator

from ingestion_pipeline.api.auth import TokenCheck
from ingestion_pipeline.api.problems import make_problem
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import ConfigurationError, RepositoryNotTrackedError
from ingestion_pipeline.core.jobs import Job, JobInProgressError, JobStatus
from ingestion_pipeline.core.repositories import SourceId, SourceKind, TrackedRepository
from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.orchestration.job_runs import JOB_TAG, JobRuns, find_active_run
from ingestion_pipeline.tracking.track import find_tracked

_logger = logging.getLogger(__name__)

# Share of a first index that is over when a stage begins, and its own; see docs/benchmarks.md.
_STAGES = {"clone": (0, 5), "parse": (5, 30), "embed": (35, 20), "upsert": (55, 45)}


class SyncRequest(BaseModel):
    """How a sync is asked for; what is not known is refused."""

    model_config = ConfigDict(extra="forbid")

    force: bool = False
    full_reindex: bool = False
    incremental: bool = True
    progress_webhook: str | None = None

    @model_validator(mode="after")
    def _check_options(self) -> "SyncRequest":
        if self.full_reindex and self.incremental and "incremental" in self.model_fields_set:
            raise ValueError("full_reindex and incremental contradict each other; give one of them")
        return self


class Progress(BaseModel):
    """How far a job is."""

    percentage: int = 0
    files_processed: int = 0
    files_total: int = 0
    current_file: str | None = None
    stage: str | None = None


class JobView(BaseModel):
    """One job."""

    job_id: str
    status: JobStatus
    repository_id: str
    repository: str
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    progress: Progress
    options: dict[str, Any]


class JobDoor:
    """What the routes do.

    Args:
        services: Stay open as long as the application.
        instance: Dagster's.
        wake: Called when there is something to hand over.
    """

    def __init__(
        self, services: Services, instance: dg.DagsterInstance, wake: Callable[[], None]
    ) -> None:
        self._services = services
        self._instance = instance
        self._wake = wake
        self._runs = JobRuns(services, instance)

    def find_repository(self, repo_id: str) -> TrackedRepository:
        """Return the tracked repository of ``owner/name`` or of GitHub's numeric id.

        Raises:
            RepositoryNotTrackedError: There is none.
        """
        if "\x00" in repo_id:  # Postgres takes none
            raise RepositoryNotTrackedError("No repository has such a name.")
        if repo_id.isdecimal():
            row = self._services.state.find_source(SourceId(SourceKind.GITHUB, repo_id))
            if row is None or row.untracked_at is not None:
                raise RepositoryNotTrackedError(f"No repository with the id {repo_id} is tracked.")
            return row
        return find_tracked(repo_id, self._services.state)

    def submit(
        self, row: TrackedRepository, asked: SyncRequest, requested_by: str, key: str
    ) -> tuple[Job, int]:
        """Accept a sync; return its job and how many wait.

        Raises:
            JobInProgressError: One of the repository is under way; the job is the run's where
                nobody asked for it here.
            QueueFullError, IdempotencyConflictError: As ``JobStore.accept``.
            WebhookUrlError: No webhook can be sent there.
            HTTPException: 422, none can be sent at all.
        """
        if asked.progress_webhook is not None:
            try:
                self._services.check_webhook(asked.progress_webhook)
            except ConfigurationError as error:
                raise HTTPException(422, str(error)) from error
        now = self._services.clock.now()
        request = json.dumps([str(row.source), asked.model_dump()], sort_keys=True)
        job = Job(
            str(uuid.uuid4()),
            row.source,
            row.partition_key,
            json.dumps(asdict(SyncOptions(full_reindex=asked.full_reindex))),
            requested_by,
            now,
            key,
            hashlib.sha256(request.encode()).hexdigest(),
            asked.progress_webhook or "",
        )
        foreign = self._find_foreign_run(row.partition_key)
        jobs = self._services.state.jobs
        if foreign is not None and not asked.force and not jobs.is_known(key):
            unknown = Job(foreign.run_id, row.source, row.partition_key, "{}", "Dagster", now)
            raise JobInProgressError(unknown)
        most = self._services.settings.max_queued_jobs
        accepted = jobs.accept(job, most, force=asked.force)
        # The keeper does what is left: the job is accepted, whatever happens from here on.
        if accepted.is_new:
            fields = {"job_id": job.job_id, "repository": job.partition_key, "status": "queued"}
            _logger.info("Job %s accepted: sync %s", job.job_id, job.partition_key, extra=fields)
        if accepted.is_new and foreign is not None:
            self._attempt(lambda: self._runs.interrupt(foreign))
        if accepted.replaced is not None:
            replaced = accepted.replaced
            self._attempt(lambda: self._runs.follow(replaced))
        self._wake()
        return accepted.job, accepted.queue_size

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end.

        Raises:
            HTTPException: 404, there is none; 409, it has ended.
        """
        job = self.find(job_id)
        if job.ended_at is not None:
            raise HTTPException(409, f"The job has ended: {job.status}.")
        asked = self._services.state.jobs.ask_to_cancel(job_id, self._services.clock.now())
        if asked is None:
            raise HTTPException(404, "No such job.")
        self._wake()
        return self.find(job_id)

    def find(self, job_id: str) -> Job:
        """Return a job as it is now.

        Raises:
            HTTPException: 404, there is none.
        """
        # Postgres takes no NUL.
        job = None if "\x00" in job_id else self._services.state.jobs.find_job(job_id)
        if job is None:
            raise HTTPException(404, "No such job.")
        if job.ended_at is not None:
            return job
        self._attempt(lambda: self._runs.follow(job))
        return self._services.state.jobs.find_job(job_id) or job

    def show(self, job: Job) -> JobView:
        """Return what callers see of a job."""
        return JobView(
            job_id=job.job_id,
            status=job.status,
            repository_id=job.source.stable_id,
            repository=job.partition_key,
            created_at=format_utc(job.accepted_at),
            started_at=_format(job.started_at),
            ended_at=_format(job.ended_at),
            error=job.error or None,
            progress=self._read_progress(job),
            options=json.loads(job.options),
        )

    def _read_progress(self, job: Job) -> Progress:
        if job.status is JobStatus.COMPLETED:
            return Progress(percentage=100)
        if job.started_at is None or job.ended_at is not None:
            return Progress()
        record = self._runs.find_runs([job.job_id]).get(job.job_id)
        now = self._services.state.find_progress(record.dagster_run.run_id) if record else None
        if now is None:
            return Progress()
        begin, share = _STAGES[now.stage]
        done = min(now.done / now.total, 1) if now.total else 0
        return Progress(
            percentage=int(begin + share * done),
            files_processed=now.done,
            files_total=now.total,
            current_file=now.current or None,
            stage=now.stage,
        )

    def _find_foreign_run(self, partition_key: str) -> dg.DagsterRun | None:
        """Return a run of the partition that is at work and that no unended job stands behind."""
        run = find_active_run(self._instance, partition_key)
        if run is None:
            return None
        # Another try of a job's run has an id of its own; one that somebody launched again from
        # Dagster's UI has the tag of a job that has ended.
        job = self._services.state.jobs.find_job(run.tags.get(JOB_TAG, run.run_id))
        return run if job is None or job.ended_at is not None else None

    def _attempt(self, step: Callable[[], None]) -> None:
        """Do now what the keeper does in a second anyway; what was accepted stands all the same."""
        try:
            step()
        except Exception:
            _logger.exception("A job could not be followed at once; it is tried again")


def _format(moment: datetime | None) -> str | None:
    return format_utc(moment) if moment else None


def make_job_router(door: JobDoor, check: TokenCheck) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.post("/api/repositories/{repo_id:path}/sync", status_code=202)
    def sync_repository(
        repo_id: str,
        requested_by: Annotated[str, Depends(check)],
        asked: Annotated[SyncRequest | None, Body()] = None,
        idempotency_key: Annotated[str, Header(max_length=200)] = "",
    ) -> JobView:
        """Queue a sync of one tracked repository."""
        row = door.find_repository(repo_id)
        job, _ = door.submit(row, asked or SyncRequest(), requested_by, idempotency_key)
        return door.show(job)

    @router.get("/api/v1/jobs/{job_id}")
    def read_job(job_id: str, request: Request) -> Response:
        """Return one job, with an ``ETag``."""
        view = door.show(door.find(job_id)).model_dump(mode="json")
        digest = hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()[:32]
        etag = f'"{digest}"'
        if etag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers={"ETag": etag})
        return JSONResponse(view, headers={"ETag": etag, "Cache-Control": "no-cache"})

    @router.post("/api/v1/jobs/{job_id}/cancel", status_code=202, dependencies=[Depends(check)])
    def cancel_job(job_id: str) -> JobView:
        """End a queued or running job, between two batches."""
        return door.show(door.cancel(job_id))

    return router


def explain_in_progress(door: JobDoor, error: JobInProgressError) -> JSONResponse:
    """Return the 409 that names the job under way."""
    known = error.job
    progress = door.show(known).progress.model_dump()
    text = "Sync already in progress"
    members = {"message": text, "error": text, "job_id": known.job_id, "progress": progress}
    return make_problem(409, text, **members)
