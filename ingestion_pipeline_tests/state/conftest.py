"""The adapters that the contract runs over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.state import open_state_store
from ingestion_pipeline.state.store import SqlStateStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.postgres import PostgresServer, postgres_server

__all__ = ["postgres_server"]

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture
def make_empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes the URL of a database that nothing was done to yet."""

    def make(database: str) -> str:
        if database == "sqlite":
            return f"sqlite:///{tmp_path / 'state' / 'state.db'}"
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return server.create_database()

    return make


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, make_empty_url: Callable[[str], str]) -> str:
    """The URL of a database that nothing was done to yet."""
    return make_empty_url(request.param)


@pytest.fixture
def sql_store(empty_url: str) -> Iterator[SqlStateStore]:
    """A fresh store over each database."""
    store = open_state_store(empty_url)
    yield store
    store.close()


@pytest.fixture(params=["fake", *DATABASES])
def store(
    request: pytest.FixtureRequest, make_empty_url: Callable[[str], str]
) -> Iterator[StateStore]:
    """A fresh store of every kind, the fake included."""
    if request.param == "fake":
        yield FakeStateStore()
        return
    opened = open_state_store(make_empty_url(request.param))
    yield opened
    opened.close()
