"""The adapters that the contract runs over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.state import open_state_store
from ingestion_pipeline.state.engine import begin_transaction
from ingestion_pipeline.state.store import SqlStateStore
from ingestion_pipeline.state.tables import metadata
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.postgres import PostgresServer, find_free_port

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that nothing was done to yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database()


@pytest.fixture
def sql_store(empty_url: str) -> Iterator[SqlStateStore]:
    """A fresh store over each database."""
    store = open_state_store(empty_url)
    yield store
    store.close()


@pytest.fixture
def free_port() -> int:
    """A loopback port that nothing listens on."""
    return find_free_port()


@pytest.fixture(scope="session")
def postgres_store(postgres_server: PostgresServer) -> Iterator[SqlStateStore]:
    """One store for the whole session: making a database takes longer than most tests."""
    store = open_state_store(postgres_server.create_database())
    yield store
    store.close()


@pytest.fixture(params=["fake", *DATABASES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    """An empty store of every kind, the fake included."""
    if request.param == "fake":
        yield FakeStateStore()
    elif request.param == "postgres":
        shared: SqlStateStore = request.getfixturevalue("postgres_store")
        with begin_transaction(shared._engine, writes=True) as connection:
            connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
        yield shared
    else:
        opened = open_state_store(f"sqlite:///{tmp_path / 'state.db'}")
        yield opened
        opened.close()
