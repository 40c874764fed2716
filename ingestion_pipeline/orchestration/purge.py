"""Deleting everything of a source that nobody tracks any more."""

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.orchestration.resources import lock_repository


def purge_source(services: Services, source: SourceId) -> int:
    """Delete the points of a source from every collection, then its state and its mirror.

    Returns:
        How many points there were.

    Raises:
        RepositoryBusyError: A sync of it is under way.
    """
    where = PointFilter({"source": str(source)})
    deleted = 0
    with lock_repository(services, source):
        for collection in services.store.list_collections():
            deleted += services.store.count(collection, where)
            services.store.delete_matching(collection, where)
        services.state.forget_source(source)
    services.open_mirror(source).remove()
    return deleted
