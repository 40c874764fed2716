"""Verification and repair of tracked repositories, kept apart from their syncs by the lock."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.indexing.verify import (
    RepairReport,
    repair_repository,
    verify_counts,
    verify_repository,
)
from ingestion_pipeline.indexing.verify_report import VerifyReport
from ingestion_pipeline.orchestration.resources import lock_repository
from ingestion_pipeline.tracking.resolve import require_tracked

# Compared one by one within a run: 0.9 s of CPU on the embedded store (43 µs a point).
MAX_POINTS_IN_RUN = 20_000


def verify_tracked(services: Services, repository: TrackedRepository) -> VerifyReport:
    """Compare a repository's trees, state and points, while nobody syncs it.

    Raises:
        RepositoryBusyError: A sync, purge or repair of it is under way.
        RepositoryNotTrackedError: It was untracked meanwhile.
        IngestionError: Whatever a fetch or the store meets.
    """
    with _hold(services, repository) as present:
        return _verify(services, present)


def repair_tracked(services: Services, repository: TrackedRepository) -> RepairReport:
    """Put a repository right as far as no sync is needed for it, and mark the rest for the next.

    Raises:
        RepositoryBusyError: A sync, purge or repair of it is under way.
        RepositoryNotTrackedError: It was untracked meanwhile.
        IngestionError: Whatever a fetch, the store or the state meets.
    """
    with _hold(services, repository) as present:
        return repair_repository(
            present,
            services.open_mirror(present.source),
            _find_source(services, present),
            services.make_target(present),
        )


def verify_in_run(
    services: Services, repository: TrackedRepository, run_id: str
) -> tuple[VerifyReport, str]:
    """Compare what a run has just written; the run holds the lock.

    Point by point only where the run wrote something and there are not too many of them, since a
    check is to cost little beside the run.

    Returns:
        The report, and why it is of numbers only, "" when every point was looked at.
    """
    target = services.make_target(repository)
    if _wrote_nothing(services, repository, run_id):
        return verify_counts(repository, target), "the run had nothing to write"
    where = PointFilter({"source": str(repository.source)})
    count = services.store.count(target.collection, where)
    if count > MAX_POINTS_IN_RUN:
        reason = f"{count:,} points are more than the {MAX_POINTS_IN_RUN:,} that a run reads"
        return verify_counts(repository, target), reason
    return _verify(services, repository), ""


def count_strangers(services: Services) -> int:
    """Return how many points are of sources that the state does not know at all.

    They are left over from a state that was lost, or another deployment's that shares the store.
    """
    store, collection = services.store, services.collection.name
    rows = services.state.list_repositories(include_untracked=True)
    known = (store.count(collection, PointFilter({"source": str(row.source)})) for row in rows)
    return store.count(collection, PointFilter({})) - sum(known)


def _verify(services: Services, repository: TrackedRepository) -> VerifyReport:
    mirror = services.open_mirror(repository.source)
    source = _find_source(services, repository)
    return verify_repository(repository, mirror, source, services.make_target(repository))


def _find_source(services: Services, repository: TrackedRepository) -> FetchSource:
    return services.hosts[repository.source.kind].get_fetch_source(repository.hosted)


@contextmanager
def _hold(services: Services, repository: TrackedRepository) -> Iterator[TrackedRepository]:
    """Yield the row as it stands under the lock."""
    with lock_repository(services, repository.source):
        require_tracked(repository, services.state)
        yield services.state.find_source(repository.source) or repository


def _wrote_nothing(services: Services, repository: TrackedRepository, run_id: str) -> bool:
    """Whether a run moved nothing but the branches' own points."""
    lines = services.state.list_syncs(repository.partition_key, limit=1)
    branches = len(repository.tracked_branches)
    return any(
        line.run_id == run_id
        and not (line.points_added or line.points_deleted)
        and line.points_changed <= branches
        for line in lines
    )
