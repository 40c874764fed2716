"""Every test here starts parse workers, git, or whole runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion_pipeline.indexing import embed
from ingestion_pipeline.orchestration import retries
from ingestion_pipeline_tests.faults.killed_sync import SyncProcesses, open_sync_processes
from ingestion_pipeline_tests.faults.scene import Scene

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One for all tests; each says at the beginning where ``main`` is."""
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ops that ask for a retry get it without a wait."""
    monkeypatch.setattr(retries, "FIRST_WAIT_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def draw_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the picture: half the time of so small a sync, and no test looks at it."""
    monkeypatch.setattr(embed, "_CODE_MAP_SHARE", 2.0)


@pytest.fixture(scope="session")
def processes() -> Iterator[SyncProcesses]:
    """Syncs in processes of their own."""
    with open_sync_processes() as opened:
        yield opened
