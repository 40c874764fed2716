"""Syncs of everything that is stale: one check, then a job for each repository that needs one."""

import logging
import uuid
from dataclasses import replace

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import IngestionError, RepositoryBusyError
from ingestion_pipeline.core.jobs import Job, JobInProgressError, Sweep
from ingestion_pipeline.freshness.selection import select_runs
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS
from ingestion_pipeline.orchestration.freshness_check import check_freshness, sync_partitions
from ingestion_pipeline.orchestration.run_facts import read_active_runs
from ingestion_pipeline.orchestration.worker_status import storage_answers

_logger = logging.getLogger(__name__)
_LOCK = "sweep"


def begin_sweep(services: Services, requested_by: str) -> Sweep:
    """Ask for a sweep; ``tend_sweep`` does it. Returns the one that is under way, if there is."""
    total = len(services.state.list_repositories())
    sweep = Sweep(str(uuid.uuid4()), requested_by, services.clock.now(), total)
    return services.state.jobs.begin_sweep(sweep)


def tend_sweep(services: Services, instance: dg.DagsterInstance) -> bool:
    """Bring the sweep that is under way a step further; done again and again.

    Who is killed in between does the check again; a job that is there already stays the only one.

    Returns:
        Whether there may be new jobs.
    """
    sweep = services.state.jobs.find_newest_sweep()
    if sweep is None or sweep.ended_at is not None:
        return False
    try:
        with services.state.lock_source(_LOCK):
            return _tend(services, instance)
    except RepositoryBusyError:
        return False  # another process is at it


def _tend(services: Services, instance: dg.DagsterInstance) -> bool:
    jobs = services.state.jobs
    sweep = jobs.find_newest_sweep()  # as it is now that nobody else is at it
    if sweep is None or sweep.ended_at is not None:
        return False
    is_unchecked = sweep.checked_at is None
    if is_unchecked:
        _check(services, instance, sweep)
    if jobs.count_unended(sweep.sweep_id) == 0:
        jobs.record_sweep_ended(sweep.sweep_id, services.clock.now())
    return is_unchecked


def _check(services: Services, instance: dg.DagsterInstance, sweep: Sweep) -> None:
    total, problem = sweep.total, ""
    try:
        sync_partitions(services, instance)
        rows = services.state.list_repositories()
        total = len(rows)
        check = check_freshness(services, instance, rows)
        problem = check.report.problem
        chosen, _ = select_runs(check.decisions, cap=total)
        for decision in chosen:
            _accept(services, sweep, decision.partition_key)
    except IngestionError as error:
        _logger.warning("A sync of everything stopped at its check: %s", error)
        # It may name hosts and databases, which are nobody's business outside.
        problem = "The check stopped. The log of the HTTP server says why."
    now = services.clock.now()
    services.state.jobs.record_sweep_checked(sweep.sweep_id, total, now, problem)


def _accept(services: Services, sweep: Sweep, partition_key: str) -> None:
    row = services.state.find_repository(partition_key)
    if row is None:
        return  # untracked since the check
    job = Job(
        str(uuid.uuid4()),
        row.source,
        row.partition_key,
        DEFAULT_OPTIONS.to_json(),
        sweep.requested_by,
        services.clock.now(),
        sweep_id=sweep.sweep_id,
    )
    try:
        services.state.jobs.accept(job, services.settings.max_queued_jobs)
    except JobInProgressError:
        return  # what is under way does it


def read_standing(services: Services, instance: dg.DagsterInstance) -> tuple[Sweep | None, int]:
    """Return the sweep under way, and how many repositories have something queued or at work.

    Returns:
        None and the number of all such repositories where no sweep is under way; else the sweep
        and how many of its own have not ended, all of them before its check.

    Raises:
        QueueUnavailableError: Dagster's storage does not answer.
    """
    jobs = services.state.jobs
    sweep = jobs.find_newest_sweep()
    if sweep is not None and sweep.ended_at is None:
        if sweep.checked_at is None:
            return sweep, sweep.total
        left = jobs.count_unended(sweep.sweep_id)
        return replace(sweep, total=max(sweep.total, left)), left
    return None, len(list_busy_keys(services, instance))


def list_busy_keys(services: Services, instance: dg.DagsterInstance) -> set[str]:
    """Return the partition keys that have a job or a run which is queued or at work.

    Raises:
        QueueUnavailableError: Dagster's storage does not answer.
    """
    with storage_answers():
        active = set(read_active_runs(instance))
    return active | {job.partition_key for job in services.state.jobs.list_unended()}
