"""Untracking with a purge leaves nothing that answers."""

import dagster as dg
import pytest

from ingestion_pipeline.core.errors import RepositoryBusyError
from ingestion_pipeline.orchestration.purge import purge_source
from ingestion_pipeline_tests.orchestration.world import World


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
