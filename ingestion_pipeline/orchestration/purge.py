"""Deleting everything of a source that nobody tracks any more: on command, or a while after."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import IngestionError, RepositoryBusyError
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.orchestration.partitions import PARTITIONS_NAME
from ingestion_pipeline.orchestration.resources import lock_repository

PURGE_JOB_NAME = "purge_untracked"
HOURLY = "0 * * * *"


@dataclass(slots=True)
class PurgeReport:
    """What a purge did.

    Args:
        deleted: Partition key → points that there were.
        postponed: Repositories that a run was working on.
        failures: Partition key → why it could not be purged.
    """

    deleted: dict[str, int] = field(default_factory=dict[str, int])
    postponed: list[str] = field(default_factory=list[str])
    failures: dict[str, str] = field(default_factory=dict[str, str])


def purge_source(services: Services, source: SourceId) -> int:
    """Delete the points of an untracked source from every collection, then mirror and state.

    The history that trainings read goes with the mirror. The row goes last: it is what a purge that
    died is found by. A source that is tracked again keeps everything.

    Returns:
        How many points there were.

    Raises:
        RepositoryBusyError: A sync of it is under way.
    """
    where = PointFilter({"source": str(source)})
    deleted = 0
    # It may have been the last that had not moved. Before anything goes: a purge that dies is
    # found, and with it this, by the row that goes last.
    services.rollout.finish()
    with lock_repository(services, source):
        if not _is_untracked(services, source):
            return 0
        for collection in services.store.list_collections():
            deleted += services.store.count(collection, where)
            services.store.delete_matching(collection, where)
        for branch in services.state.list_branch_names(source):
            services.state.remove_branch(source, branch)
        services.open_mirror(source).remove()
        services.open_history(source).remove()
        services.heard.keep_only(source, ())
        # Who tracked it again meanwhile has a row that nothing is indexed of, which is the truth.
        if _is_untracked(services, source):
            services.state.forget_source(source)
    return deleted


def compute_purge_time(services: Services, repository: TrackedRepository) -> datetime | None:
    """Return when a repository's points go, None for a tracked one."""
    if repository.untracked_at is None:
        return None
    return repository.untracked_at + timedelta(hours=services.settings.purge_after_hours)


def list_untracked(services: Services) -> list[tuple[datetime, TrackedRepository]]:
    """Return the repositories that wait for their purge and when it is due, the soonest first."""
    rows = services.state.list_repositories(include_untracked=True)
    waiting = [(at, row) for row in rows if (at := compute_purge_time(services, row)) is not None]
    return sorted(waiting, key=lambda entry: (entry[0], entry[1].partition_key))


def purge_due(services: Services, instance: dg.DagsterInstance) -> PurgeReport:
    """Purge every repository whose time has come; one that fails does not stop the others."""
    now, report = services.clock.now(), PurgeReport()
    for at, row in list_untracked(services):
        if at > now:
            break
        key = row.partition_key
        try:
            _remove_keys(services, instance, row)
            report.deleted[key] = purge_source(services, row.source)
        except RepositoryBusyError:
            report.postponed.append(key)
        except (IngestionError, OSError) as error:
            report.failures[key] = str(error)
    return report


@dg.op(
    required_resource_keys={"services"},
    out=dg.Out(dg.Nothing),
    description="Delete points, state and mirrors of repositories untracked long enough ago.",
)
def purge_untracked_repositories(context: dg.OpExecutionContext) -> dg.Output[None]:
    """Purge, tell, and fail at the end if something failed."""
    report = purge_due(context.resources.services, context.instance)
    for key in report.postponed:
        context.log.info(f"{key}: a run is working on it; it is purged in the next hour")
    for key, error in report.failures.items():
        context.log.error(f"{key}: {error}")
    if report.failures:
        failed = "; ".join(f"{key}: {error}" for key, error in report.failures.items())
        raise dg.Failure(f"Not purged, tried again in the next hour: {failed}", allow_retries=False)
    return dg.Output(
        None,
        metadata={
            "points_deleted": sum(report.deleted.values()),
            "repositories": dg.MetadataValue.json(report.deleted),
            "postponed": dg.MetadataValue.json(report.postponed),
        },
    )


@dg.job(
    name=PURGE_JOB_NAME,
    description="Delete what is left of repositories that were untracked long enough ago.",
)
def purge_untracked() -> None:
    """One op."""
    purge_untracked_repositories()


@dg.schedule(
    job=purge_untracked,
    cron_schedule=HOURLY,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    required_resource_keys={"services"},
    description="Runs the purge when an untracked repository has waited long enough.",
)
def hourly_purge(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run, or say when the next one is due."""
    services: Services = context.resources.services
    return decide_purge(list_untracked(services), services.clock.now())


def decide_purge(
    waiting: Sequence[tuple[datetime, TrackedRepository]], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Return a request when something is due.

    Args:
        waiting: As ``list_untracked`` gives it.
        now: The time.
    """
    if not waiting:
        return dg.SkipReason("No repository waits to be purged.")
    at, soonest = waiting[0]
    if at > now:
        return dg.SkipReason(
            f"Nothing to purge yet: {soonest.partition_key} goes after {format_utc(at)}."
        )
    return dg.RunRequest()


def _is_untracked(services: Services, source: SourceId) -> bool:
    row = services.state.find_source(source)
    return row is not None and row.untracked_at is not None


def _remove_keys(
    services: Services, instance: dg.DagsterInstance, repository: TrackedRepository
) -> None:
    """Take a repository's partition keys out of Dagster while its row still says whose they are.

    A key without a row counts as added by hand, and would bring the repository back.
    """
    present = {row.partition_key for row in services.state.list_repositories()}
    for key in {repository.partition_key, *repository.former_keys} - present:
        instance.delete_dynamic_partition(PARTITIONS_NAME, key)
