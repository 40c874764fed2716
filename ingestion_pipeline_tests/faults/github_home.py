"""A home whose repository is cloned over smart HTTP, and its clean index."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.cli.home import KEY, CommandHome, make_variables
from ingestion_pipeline_tests.faults.installation import IndexedPoints, assert_right, read_points
from ingestion_pipeline_tests.faults.steps import sync


@contextmanager
def open_home_services(home: CommandHome) -> Iterator[Services]:
    """Open what the commands of a home open."""
    values: dict[str, Any] = {
        name.removeprefix("INGESTION_").lower(): value
        for name, value in home.environment.items()
        if value is not None
    }
    with open_services(Settings(**values)) as services:
        yield services


def index_clean(home: CommandHome, folder: Path) -> IndexedPoints:
    """Index the same repository in a fresh home, on the embedded store."""
    folder.mkdir()
    variables = make_variables(folder, home.github.api_url)
    clean = CommandHome(folder, home.github, home.git, variables)
    with open_home_services(clean) as services:
        sync(services, KEY)
        return read_points(services)


def assert_home_right(home: CommandHome, expected: IndexedPoints) -> None:
    """Assert that the home's index is that, and that state and store agree."""
    with open_home_services(home) as services:
        assert_right(services, expected)
