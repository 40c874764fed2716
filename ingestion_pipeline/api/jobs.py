"""Submitting syncs, watching and ending them."""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable

import dagster as dg
from fastapi import HTTPException
from fastapi.responses import JSONResponse

from ingestion_pipeline.api.options import SyncRequest, check_options
from ingestion_pipeline.api.problems import make_problem
from ingestion_pipeline.api.views import JobView, make_view
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import ConfigurationError, RepositoryNotTrackedError
from ingestion_pipeline.core.jobs import (
    Accepted,
    IdempotencyConflictError,
    Job,
    JobInProgressError,
    JobStatus,
    QueueFullError,
)
from ingestion_pipeline.core.repositories import SourceId, SourceKind, TrackedRepository
from ingestion_pipeline.orchestration.job_runs import JobRuns
from ingestion_pipeline.orchestration.worker_status import storage_answers
from ingestion_pipeline.tracking.track import find_tracked

_logger = logging.getLogger(__name__)

_LINES_FOR_ESTIMATES = 30


class JobDoor:
    """What the routes of jobs do.

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
        self.wake = wake
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
    ) -> Accepted:
        """Accept a sync.

        Raises:
            InvalidOptionError: An option cannot be followed.
            JobInProgressError: One of the repository is under way; the job is the run's where
                nobody asked for it here.
            QueueFullError, IdempotencyConflictError: As ``JobStore.accept``.
            QueueUnavailableError: Dagster's storage does not answer.
            WebhookUrlError: No webhook can be sent there.
            HTTPException: 422, none can be sent at all.
        """
        check_options(asked, row)
        if asked.progress_webhook is not None:
            try:
                self._services.check_webhook(asked.progress_webhook)
            except ConfigurationError as error:
                raise HTTPException(422, str(error)) from error
        now = self._services.clock.now()
        job = Job(
            str(uuid.uuid4()),
            row.source,
            row.partition_key,
            json.dumps(asked.describe()),
            requested_by,
            now,
            key,
            _digest(row.source, asked),
            asked.progress_webhook or "",
        )
        with storage_answers():
            foreign = self._runs.find_foreign_run(row.partition_key)
        jobs = self._services.state.jobs
        if foreign is not None and not asked.force and jobs.find_by_key(key) is None:
            unknown = Job(
                foreign.run_id, row.source, row.partition_key, "{}", "Dagster", now, started_at=now
            )
            raise JobInProgressError(unknown)
        most = self._services.settings.max_queued_jobs
        accepted = jobs.accept(job, most, force=asked.force)
        # The keeper does what is left: the job is accepted, whatever happens from here on.
        if accepted.is_new:
            fields = {"job_id": job.job_id, "repository": job.partition_key, "status": "queued"}
            _logger.info("Job %s accepted: sync %s", job.job_id, job.partition_key, extra=fields)
        if accepted.replaced is not None:
            replaced = accepted.replaced
            self._attempt(lambda: self._runs.follow(replaced))
        self.wake()
        return accepted

    def find_repeated(self, key: str, partition_key: str) -> Accepted | None:
        """Return what came of the same request before, None where a key is new.

        Asked before anything is changed for a request.

        Raises:
            IdempotencyConflictError: The key was given with another request.
            QueueFullError: It is new, and too many wait.
        """
        jobs = self._services.state.jobs
        known = jobs.find_by_key(key)
        waiting = sum(job.takes_a_place for job in jobs.list_unended())
        most = self._services.settings.max_queued_jobs
        if known is None:
            if waiting >= most:
                raise QueueFullError(waiting, most)
            return None
        same = _digest(known.source, SyncRequest()) == known.request_digest
        if not same or known.partition_key != partition_key:
            raise IdempotencyConflictError(
                "This Idempotency-Key was given with another request before. Use a new one."
            )
        return Accepted(known, False, None, waiting)

    def find_position(self, job: Job) -> int:
        """Return a job's place among those that wait, the next one's being 1; 0 once it started."""
        jobs = self._services.state.jobs.list_unended()
        waiting = [other.job_id for other in jobs if other.status is JobStatus.QUEUED]
        return waiting.index(job.job_id) + 1 if job.job_id in waiting else 0

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
        self.wake()
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
        """Return what callers see of a job.

        Raises:
            QueueUnavailableError: Dagster's storage does not answer.
        """
        state, progress, run_id = self._services.state, None, ""
        if job.ended_at is None and job.started_at is not None:
            with storage_answers():
                record = self._runs.find_runs([job.job_id]).get(job.job_id)
            run_id = record.dagster_run.run_id if record else job.job_id
            progress = state.find_progress(run_id)
        history = (
            state.list_syncs(job.partition_key, limit=_LINES_FOR_ESTIMATES)
            if job.ended_at is None
            else []
        )
        return make_view(job, progress, history, self._services.clock.now(), run_id)

    def explain_in_progress(self, error: JobInProgressError) -> JSONResponse:
        """Return the 409 that names the job under way."""
        progress = self.show(error.job).progress.model_dump(mode="json")
        text = "Sync already in progress"
        job_id = error.job.job_id
        return make_problem(409, text, message=text, error=text, job_id=job_id, progress=progress)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Do now what the keeper does in a second anyway; what was accepted stands all the same."""
        try:
            step()
        except Exception:
            _logger.exception("A job could not be followed at once; it is tried again")


def _digest(source: SourceId, asked: SyncRequest) -> str:
    request = json.dumps([str(source), asked.model_dump()], sort_keys=True)
    return hashlib.sha256(request.encode()).hexdigest()
