"""Untracking with a purge leaves nothing that answers."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest

from ingestion_pipeline.core.errors import RepositoryBusyError
from ingestion_pipeline.orchestration.purge import purge_source
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.orchestration.world import World, failed_steps


def test_a_purge_deletes_points_state_and_mirror(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    source = world.row.source
    assert purge_source(world.services, source) == 8
    assert world.points() == {}
    assert world.state.find_source(source) is None
    assert not world.services.open_mirror(source).path.exists()


def test_a_purge_keeps_out_of_a_sync(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    with (
        world.state.lock_source(f"sync:{world.row.source}"),
        pytest.raises(RepositoryBusyError),
    ):
        purge_source(world.services, world.row.source)
    assert len(world.points()) == 8


class PurgedBeforeTheLock(FakeStateStore):
    """Somebody purges everything between a run's first look and its lock."""

    @contextmanager
    def lock_source(self, name: str) -> Iterator[None]:
        for row in self.list_repositories():
            self.forget_source(row.source)
        with super().lock_source(name):
            yield


def test_a_run_that_waited_does_not_bring_a_purged_repository_back(
    world: World, instance: dg.DagsterInstance
) -> None:
    source = world.row.source
    world.state = PurgedBeforeTheLock([world.row])
    world.services.__dict__.pop("state", None)
    [message] = failed_steps(world.sync(instance)).values()
    assert "octo/cat was untracked while this run was under way" in message
    assert world.points() == {}
    assert world.state.find_source(source) is None
