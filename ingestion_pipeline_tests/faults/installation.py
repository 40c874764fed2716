"""A home of its own, and what its index says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.core.points import PointFilter, make_point_id
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.indexing.handles import SyncResult
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.verify import verify_repository
from ingestion_pipeline.points.drift import unpack
from ingestion_pipeline.points.write import PENDING
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.faults.steps import make_target, sync
from ingestion_pipeline_tests.indexing.world import VOLATILE, find_differences

# Id → payload without volatile facts, dense vector, words.
IndexedPoints = Mapping[str, tuple[Mapping[str, Any], Any, Any]]


@dataclass
class Installation:
    """A project root and the repository that it indexes.

    Args:
        folder: The root.
        origin: Path of the repository.
        options: Settings beside the root.
    """

    folder: Path
    origin: Path
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def settings(self) -> Settings:
        """What every process of this home reads."""
        return Settings(home=self.folder, device="cpu", parse_workers=1, **self.options)

    @property
    def data(self) -> Path:
        """Where everything lies."""
        return self.folder / ".data"

    @contextmanager
    def open(self) -> Iterator[Services]:
        """Open what a run opens."""
        with open_services(self.settings) as services:
            yield services

    def sync(self, **arguments: Any) -> SyncResult:
        """Sync in this process, with everything opened anew."""
        with self.open() as services:
            return sync(services, str(self.origin), **arguments)

    def read_points(self) -> IndexedPoints:
        """Return the index."""
        with self.open() as services:
            return read_points(services)

    def assert_store(self, expected: IndexedPoints) -> None:
        """Assert that the store alone is that of a clean index."""
        assert find_differences(self.read_points(), expected) == []

    def assert_right(self, expected: IndexedPoints) -> None:
        """Assert that the store is that of a clean index, and that state and store agree."""
        with self.open() as services:
            assert_right(services, expected)


def read_points(services: Services) -> IndexedPoints:
    """Return everything in the collection, as ``find_differences`` compares it."""
    where = PointFilter({})
    stored = services.store.scroll(services.collection.name, where, with_vectors=True)
    return {
        point.id: (
            {key: value for key, value in point.payload.items() if key not in VOLATILE},
            tuple(round(value, 5) for value in point.dense or ()),
            point.sparse,
        )
        for point in stored
    }


def assert_right(services: Services, expected: IndexedPoints) -> None:
    """Assert that the store is that of a clean index, and that state and store agree."""
    found = read_points(services)
    assert expected
    assert find_differences(found, expected) == []
    for row in services.state.list_repositories():
        _assert_agreement(services, row, found)


def _assert_agreement(services: Services, row: TrackedRepository, found: IndexedPoints) -> None:
    target = make_target(services, row)
    named = _read_state(row, target)
    own = {make_point_id(row.source, branch, "") for branch in row.tracked_branches}
    assert named.keys() | own == found.keys()
    assert target.state.count_points(row.source) == len(found)
    for point_id, vector in named.items():
        dense = found[point_id][1]
        assert vector @ dense > 0.9985 * np.linalg.norm(vector), found[point_id][0]
    source = services.hosts[row.source.kind].get_fetch_source(row.hosted)
    report = verify_repository(row, services.open_mirror(row.source), source, target)
    assert report.is_true, report.describe()


def _read_state(row: TrackedRepository, target: IndexTarget) -> dict[str, Any]:
    """Return id → vector of every point that the state calls written."""
    named: dict[str, Any] = {}
    for branch in row.tracked_branches:
        for document in target.state.list_documents(row.source, branch).values():
            assert PENDING not in (document.content_hash, *document.points.values())
            vectors = unpack(document.vectors, len(document.points), ENCODER_DIM)
            assert vectors is not None or not document.points
            if vectors is not None:
                rows = vectors.astype(np.float32)
                named.update(zip(document.points, rows, strict=True))
    return named
