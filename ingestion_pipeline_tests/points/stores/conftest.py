"""The store under test: the fake and every real adapter.

A real server joins in when ``QDRANT_TEST_URL`` is set; its collections have a prefix of their own
and are dropped afterwards.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline.points.qdrant_store import QdrantPointStore
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.points.stores.samples import make_spec
from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer

REAL_SERVER_URL = os.environ.get("QDRANT_TEST_URL")
STORES = ["fake", "edge", "edge-sealing", "qdrant-memory", "qdrant-http"]
if REAL_SERVER_URL:
    STORES.append("qdrant-server")


def open_store(kind: str, root: Path, exits: ExitStack) -> PointStore:
    match kind:
        case "fake":
            return FakePointStore()
        case "edge":
            return EdgePointStore(root)
        case "edge-sealing":  # a segment is sealed at 64 points of four dimensions
            return EdgePointStore(root, seal_kib=1)
        case "qdrant-memory":
            return QdrantPointStore(client=QdrantClient(":memory:"))
        case "qdrant-http":
            return QdrantPointStore(exits.enter_context(QdrantRestServer(root)).url)
        case "qdrant-server" if REAL_SERVER_URL:
            return QdrantPointStore(REAL_SERVER_URL, os.environ.get("QDRANT_TEST_API_KEY"))
    raise AssertionError(kind)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PointStore]:
    with ExitStack() as exits:
        opened = open_store(request.param, tmp_path / "store", exits)
        exits.callback(opened.close)
        yield opened


@pytest.fixture
def prefix(store: PointStore) -> Iterator[str]:
    """A prefix that no other collection has; what is named with it is dropped afterwards."""
    unique = f"test-{uuid.uuid4().hex}"
    yield unique
    for name in store.list_collections():
        if name.startswith(unique):
            store.drop_collection(name)


@pytest.fixture
def collection(store: PointStore, prefix: str) -> str:
    """An empty collection of four dimensions."""
    name = f"{prefix}_code"
    store.ensure_collection(make_spec(name))
    return name
