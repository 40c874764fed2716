"""A world with a tracked repository, served over HTTP on loopback; nobody runs what is queued."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import httpx
import pytest

from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.orchestration.conftest import world
from ingestion_pipeline_tests.orchestration.world import World

__all__ = ["world"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def disk_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """The one in memory shares a connection between threads, and the server has several."""
    folder = str(tmp_path_factory.mktemp("dagster"))
    with dg.DagsterInstance.local_temp(folder) as opened:
        yield opened


@pytest.fixture
def instance(disk_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    disk_instance.wipe()
    return disk_instance


@pytest.fixture
def client(world: World, instance: dg.DagsterInstance) -> Iterator[httpx.Client]:
    shutil.copy(ROOT / "workspace.yaml", world.folder)
    with serve(world.services, instance) as opened:
        yield opened
