"""Untracking as people mean it: the row, its partition key, and perhaps its points at once."""

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.purge import purge_source
from ingestion_pipeline.orchestration.run_ending import end_partition_runs
from ingestion_pipeline.tracking.track import untrack_repository


def untrack(
    services: Services, instance: dg.DagsterInstance, partition_key: str, *, purge: bool = False
) -> int:
    """Stop tracking; the points go later, or now.

    Args:
        services: Ports.
        instance: Holds the partition keys.
        partition_key: ``owner/name``; with ``purge`` it may be untracked already.
        purge: Whether its points are deleted now, those of repositories too that had the name
            before and were untracked.

    Returns:
        How many points were deleted.

    Raises:
        RepositoryNotTrackedError: Nothing is tracked under this key.
        RepositoryBusyError: A sync of it is under way; it is untracked, and its points go later.
    """
    # A repository made anew under a name is another source than the one that had it before.
    rows = _list_untracked(services, partition_key) if purge else []
    if not rows or services.state.find_repository(partition_key) is not None:
        rows.append(untrack_repository(partition_key, services.state, services.clock))
    now = services.clock.now()
    for row in rows:
        # A run that waits would find nothing that it may work on.
        for job in services.state.jobs.list_unended():
            if job.source == row.source:
                services.state.jobs.ask_to_cancel(job.job_id, now)
        end_partition_runs(services.state, instance, row.partition_key)
    sync_partitions(services, instance)
    services.rollout.finish()  # it may have been the last that had not moved
    return sum(purge_source(services, row.source) for row in rows) if purge else 0


def _list_untracked(services: Services, partition_key: str) -> list[TrackedRepository]:
    rows = services.state.list_repositories(include_untracked=True)
    return [row for row in rows if row.partition_key == partition_key and row.untracked_at]
