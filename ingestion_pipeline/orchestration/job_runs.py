"""Jobs and their Dagster runs: hand over, look, end.

A job's run has the job's id, so that handing it over twice makes one run. Dagster's own retries of
a run that was killed have other ids and the same tag; the newest of them says how the job is.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus as Status
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.errors import DagsterRunAlreadyExists
from dagster._core.origin import (
    DEFAULT_DAGSTER_ENTRY_POINT,
    JobPythonOrigin,
    RepositoryPythonOrigin,
)
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._core.workspace.load_target import WorkspaceFileTarget

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import ConfigurationError, RepositoryBusyError
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.notify.events import make_delivery
from ingestion_pipeline.orchestration.history import describe_result, explain_failure
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME, make_run_config
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG, PARTITIONS_NAME
from ingestion_pipeline.orchestration.run_ending import (
    JOBS_LOCK,
    WAITING,
    end_run,
    interrupt_run,
    list_partition_runs,
)
from ingestion_pipeline.orchestration.tags import (
    JOB_TAG,
    NOT_AFTER_TAG,
    REQUESTED_BY_TAG,
    SKIPPED_TAG,
)

_logger = logging.getLogger(__name__)

EXCEEDED = "Task exceeded TTL"
LOCATION_NAME = "ingestion_pipeline"
_REPOSITORY_NAME = "__repository__"
_DEFINITIONS = "ingestion_pipeline.definitions"
_RETRY_COMES_WITHIN = timedelta(minutes=5)
_AT_WORK = {Status.STARTED, Status.CANCELING}
_ENDS = {
    Status.SUCCESS: JobStatus.COMPLETED,
    Status.CANCELED: JobStatus.CANCELLED,
    Status.FAILURE: JobStatus.FAILED,
}


class JobRuns:
    """The runs of jobs, in one Dagster instance.

    Args:
        services: Hold the jobs.
        instance: Holds the runs.
    """

    def __init__(self, services: Services, instance: dg.DagsterInstance) -> None:
        self._services = services
        self._instance = instance
        self._jobs = services.state.jobs
        self._clock = services.clock

    def tend(self) -> None:
        """Bring all jobs that have not ended a step further; done again and again.

        Raises:
            ExceptionGroup: Some could not be tended; the others were, and nothing is lost.
        """
        jobs = self._jobs.list_unended()
        runs = self.find_runs([job.job_id for job in jobs])
        errors: list[Exception] = []
        for job in jobs:
            others = [other for other in jobs if other != job]
            try:
                self._tend(job, runs.get(job.job_id), others)
            except Exception as error:  # noqa: BLE001  # one job's trouble is not to hold up the others
                errors.append(error)
        if errors:
            raise ExceptionGroup("Some jobs could not be tended", errors)

    def prepare(self) -> None:
        """Load what handing over needs, so that the first job does not wait for it.

        Raises:
            ConfigurationError: No run can be queued from here.
        """
        _load_sync_job()
        _ = self._origin

    def find_runs(self, job_ids: Sequence[str]) -> Mapping[str, dg.RunRecord]:
        """Return job id → newest run, for those that have one."""
        if not job_ids:
            return {}
        found: dict[str, dg.RunRecord] = {}
        wanted = dg.RunsFilter(tags={JOB_TAG: list(job_ids)})
        for record in self._instance.get_run_records(wanted):  # newest first
            found.setdefault(record.dagster_run.tags[JOB_TAG], record)
        return found

    def follow(self, job: Job) -> None:
        """Note how the job's run is, and end it where that was asked for.

        A job that was not handed over ends here and now if it is to end, and else stays.
        """
        if job.dispatched_at is not None or job.cancel_asked_at is not None:
            self._tend(job, self.find_runs([job.job_id]).get(job.job_id), [])

    def _tend(self, job: Job, record: dg.RunRecord | None, others: Sequence[Job]) -> None:
        try:
            if job.dispatched_at is None:
                with self._services.state.lock_source(JOBS_LOCK):
                    self._hand_over(job.job_id, others)
            elif record is None:
                self._end(job, JobStatus.FAILED, "Its run was deleted from Dagster.")
            else:
                self._follow(job, record)
        except RepositoryBusyError:
            return  # another process is at it

    def _hand_over(self, job_id: str, others: Sequence[Job]) -> None:
        """Put the job's run into Dagster's queue, unless it is not to run any more.

        Whoever is killed in between leaves a run that is found by its id and not made again.
        """
        job = self._jobs.find_job(job_id)  # as it is now that nobody else is at it
        if job is None or job.dispatched_at is not None or job.ended_at is not None:
            return
        run = self._instance.get_run_by_id(job_id)
        if run is not None and run.status is not Status.NOT_STARTED:
            self._jobs.record_dispatched(job_id, self._clock.now())
        elif job.cancel_asked_at is not None:
            self._drop(job, run, JobStatus.CANCELLED)
        elif self._is_expired(job):
            self._drop(job, run, JobStatus.SKIPPED, EXCEEDED)
        elif not any(other.source == job.source and other.cancel_asked_at for other in others):
            row = self._services.state.find_source(job.source)
            if row is None or row.untracked_at is not None:
                # Its partition must not come back: it would be taken for one to be tracked.
                gone = f"{job.partition_key} is not tracked any more."
                self._drop(job, run, JobStatus.FAILED, gone)
            elif not self._is_held_up(job, row.partition_key):
                self._add_key(job, row.partition_key)
                self._submit(job, run, row.partition_key)
                self._jobs.record_dispatched(job_id, self._clock.now())

    def _drop(
        self, job: Job, run: dg.DagsterRun | None, status: JobStatus, error: str = ""
    ) -> None:
        """End a job that is not handed over any more, and what was begun of its run."""
        if run is not None:
            end_run(self._instance, run)
        self._end(job, status, error)

    def _is_held_up(self, job: Job, partition_key: str) -> bool:
        """Whether a run has to end first that a job was forced upon; it is asked to.

        Those of other jobs are ended as their jobs are, which was asked for when this one came.
        """
        if not json.loads(job.options).get("force"):
            return False
        runs = list_partition_runs(self._instance, partition_key)
        foreign = [run for run in runs if self._is_foreign(run)]
        for run in foreign:
            interrupt_run(self._instance, run)
        return any(run.status not in WAITING for run in foreign)

    def _is_foreign(self, run: dg.DagsterRun) -> bool:
        """Whether no unended job stands behind a run.

        Another try of a job's run has an id of its own; one that somebody launched again from
        Dagster's UI has the tag of a job that has ended.
        """
        job = self._jobs.find_job(run.tags.get(JOB_TAG, run.run_id))
        return job is None or job.ended_at is not None

    def find_foreign_run(self, partition_key: str) -> dg.DagsterRun | None:
        """Return a run of a partition that is queued or at work without a job behind it."""
        runs = list_partition_runs(self._instance, partition_key)
        return next((run for run in runs if self._is_foreign(run)), None)

    def _add_key(self, job: Job, partition_key: str) -> None:
        if self._instance.has_dynamic_partition(PARTITIONS_NAME, partition_key):
            return
        self._instance.add_dynamic_partitions(PARTITIONS_NAME, [partition_key])
        row = self._services.state.find_source(job.source)
        if row is None or row.untracked_at is not None:
            # Untracked since it was looked at: left behind, the key would bring it back.
            self._instance.delete_dynamic_partition(PARTITIONS_NAME, partition_key)

    def _submit(self, job: Job, run: dg.DagsterRun | None, partition_key: str) -> None:
        run = run or self._create(job, partition_key)
        # What ``DagsterInstance.submit_run`` does; it wants a workspace, which a queue never reads.
        event = dg.DagsterEvent.job_enqueue(run)
        self._instance.report_dagster_event(event, run_id=run.run_id)

    def _create(self, job: Job, partition_key: str) -> dg.DagsterRun:
        options = SyncOptions.from_json(job.options)
        definition = _load_sync_job()
        try:
            return self._instance.create_run_for_job(
                definition,
                run_id=job.job_id,
                run_config=make_run_config(options),
                status=Status.NOT_STARTED,
                tags={
                    **definition.run_tags,
                    PARTITION_TAG: partition_key,
                    JOB_TAG: job.job_id,
                    REQUESTED_BY_TAG: job.requested_by,
                    NOT_AFTER_TAG: format_utc(job.accepted_at + self._time_to_live),
                },
                remote_job_origin=self._origin,
                job_code_origin=JobPythonOrigin(
                    SYNC_JOB_NAME,
                    RepositoryPythonOrigin(
                        sys.executable,
                        ModuleCodePointer(_DEFINITIONS, "defs", str(self._services.settings.home)),
                        entry_point=DEFAULT_DAGSTER_ENTRY_POINT,
                    ),
                ),
            )
        except DagsterRunAlreadyExists:
            run = self._instance.get_run_by_id(job.job_id)
            if run is None:
                raise
            return run

    def _follow(self, job: Job, record: dg.RunRecord) -> None:
        run, now = record.dagster_run, self._clock.now()
        if run.status in _ENDS:
            if self._is_tried_again(record):
                return
            if job.started_at is None and record.start_time is not None:
                begun = datetime.fromtimestamp(record.start_time, UTC)
                self._jobs.record_started(job.job_id, begun)
            if run.status is Status.CANCELED and SKIPPED_TAG in run.tags:
                self._end(job, JobStatus.SKIPPED, EXCEEDED)
            else:
                self._end(job, _ENDS[run.status], *self._describe_end(run))
            return
        if run.status in _AT_WORK and job.started_at is None:
            self._jobs.record_started(job.job_id, now)
        # Another try of a run that began in time is Dagster's own idea.
        is_first = run.parent_run_id is None
        is_too_late = run.status in WAITING and is_first and self._is_expired(job)
        if job.cancel_asked_at is None and not is_too_late:
            return
        with self._services.state.lock_source(JOBS_LOCK):
            if job.cancel_asked_at is None:
                self._instance.add_run_tags(run.run_id, {SKIPPED_TAG: "true"})
            interrupt_run(self._instance, run)

    def _is_expired(self, job: Job) -> bool:
        return self._clock.now() - job.accepted_at > self._time_to_live

    @property
    def _time_to_live(self) -> timedelta:
        return timedelta(seconds=self._services.settings.job_ttl_seconds)

    def _is_tried_again(self, record: dg.RunRecord) -> bool:
        """Whether Dagster is about to queue another try, as it does within seconds.

        Where runs are tried again at all it says so of each that failed, just after the failure.
        """
        run = record.dagster_run
        unsaid = str(self._instance.run_retries_enabled).lower()
        if run.status is not Status.FAILURE or run.tags.get(WILL_RETRY_TAG, unsaid) != "true":
            return False
        return self._clock.now() - record.update_timestamp < _RETRY_COMES_WITHIN

    def _describe_end(self, run: dg.DagsterRun) -> tuple[str, str]:
        """Return why the run failed and what it did, "" for what it did not."""
        state = self._services.state
        if run.status is Status.FAILURE:
            return explain_failure(state, run), ""
        line = state.find_sync(run.run_id)
        return "", describe_result(line) if line and run.status is Status.SUCCESS else ""

    def _end(self, job: Job, status: JobStatus, error: str = "", result: str = "") -> None:
        """Note the end; the webhook first, as it is told once however often it is added."""
        now = self._clock.now()
        known = self._jobs.find_job(job.job_id)
        if known is None or known.ended_at is not None:
            return
        if job.webhook_url:
            data = {
                "job_id": job.job_id,
                "repository": job.partition_key,
                "status": status.value,
                "error": error or None,
            }
            event = f"sync.{status.value}"
            delivery = make_delivery(job.job_id, event, job.webhook_url, data, now)
            self._services.state.deliveries.add_delivery(delivery)
        if self._jobs.record_ended(job.job_id, status, now, error, result):
            _log_end(known, status, now)

    @cached_property
    def _origin(self) -> RemoteJobOrigin:
        """The job as the daemon's workspace knows it.

        Raises:
            ConfigurationError: There is no workspace file, or it does not load this project.
        """
        path = Path(self._services.settings.home) / "workspace.yaml"
        origins = WorkspaceFileTarget([str(path)]).create_origins() if path.is_file() else []
        for origin in origins:
            if origin.location_name == LOCATION_NAME:
                repository = RemoteRepositoryOrigin(origin, _REPOSITORY_NAME)
                return RemoteJobOrigin(repository, SYNC_JOB_NAME)
        raise ConfigurationError(
            f"{path} loads no code location {LOCATION_NAME}, so no run can be queued. Put the "
            "project's own workspace.yaml there, or set INGESTION_HOME to the folder that has it."
        )


@cache
def _load_sync_job() -> dg.JobDefinition:
    # The definitions hold sensors that tend jobs.
    from ingestion_pipeline.orchestration.build import build_definitions

    return build_definitions().resolve_job_def(SYNC_JOB_NAME)


def _log_end(job: Job, status: JobStatus, now: datetime) -> None:
    seconds = round((now - (job.started_at or job.accepted_at)).total_seconds(), 3)
    names = {"job_id": job.job_id, "repository": job.partition_key}
    fields = {**names, "status": status.value, "duration_seconds": seconds}
    said = (job.job_id, job.partition_key, status.value, seconds)
    _logger.info("Job %s ended: sync %s, %s after %g s", *said, extra=fields)
