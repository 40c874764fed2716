from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ingestion_pipeline.orchestration import retries
from ingestion_pipeline_tests.orchestration.world import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("INGESTION_HOME", str(tmp_path))
    monkeypatch.setattr(retries, "FIRST_WAIT_SECONDS", 0.0)
    made = World(tmp_path)
    made.track(instance)
    return made
