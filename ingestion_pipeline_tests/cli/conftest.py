from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion_pipeline.orchestration import retries
from ingestion_pipeline_tests.cli.home import KEY, CommandHome, open_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[CommandHome]:
    """A home of the test's own, nothing tracked."""
    with open_home(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def indexed_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandHome]:
    """A home in which ``octo/cat`` is indexed; tests of a module share it and leave it so."""
    with open_home(tmp_path_factory.mktemp("indexed")) as opened:
        opened.add_repository()
        opened.run("track", KEY)
        opened.run("sync")
        yield opened


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ops that ask for a retry get it without a wait."""
    monkeypatch.setattr(retries, "FIRST_WAIT_SECONDS", 0.0)
