"""Resources: the services of a run, and the lock that lets one run at a time into a repository."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import dagster as dg

from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.orchestration.run_process import free_lost_slots, note_process
from ingestion_pipeline.orchestration.tracing import trace_run
from ingestion_pipeline.settings import load_settings

OpenServices = Callable[[], AbstractContextManager[Services]]


def open_configured_services() -> AbstractContextManager[Services]:
    """Open the services that the environment and ``.env`` name."""
    return open_services(load_settings())


class RepositoryLock:
    """Held by a run from its first op to its end; dies with the run's process.

    Dagster's queue lets one run at a time into a partition, but ``dagster asset materialize`` and
    ``ingestion-pipeline run`` go past the queue.
    """

    def __init__(self, services: Services, stack: ExitStack) -> None:
        self._services = services
        self._stack = stack
        self._held: SourceId | None = None

    def acquire(self, source: SourceId) -> None:
        """Take the lock of a source, once; the source and not the key, which a rename moves.

        Raises:
            RepositoryBusyError: Another run holds it.
        """
        if self._held != source:
            self._stack.enter_context(lock_repository(self._services, source))
            self._held = source


def lock_repository(services: Services, source: SourceId) -> AbstractContextManager[None]:
    """Keep every other sync, purge and repair out of a source.

    Raises:
        RepositoryBusyError: One is under way.
    """
    return services.state.lock_source(f"sync:{source}")


def make_resources(open_pipeline: OpenServices) -> Mapping[str, Any]:
    """Return the resource definitions over any way to open services."""

    @dg.resource(description="Code hosts, point store, state and clock, as the settings name them.")
    def services(context: dg.InitResourceContext) -> Iterator[Services]:
        if context.instance is not None and context.run is not None:
            note_process(context.instance, context.run.run_id)
            free_lost_slots(context.instance)
        with trace_run(context.run), open_pipeline() as opened:
            yield opened

    @dg.resource(
        description="One run at a time per repository.", required_resource_keys={"services"}
    )
    def repository_lock(context: dg.InitResourceContext) -> Iterator[RepositoryLock]:
        with ExitStack() as stack:
            yield RepositoryLock(context.resources.services, stack)

    return {"services": services, "repository_lock": repository_lock}
