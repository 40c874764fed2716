"""A process that writes to an embedded store and says what was acknowledged; for the tests.

Usage: ``python -m ingestion_pipeline_tests.points.stores.edge_writer ROOT MODE FIRST LAST``

``grow``: write ``i`` inserts ten points of its own. ``churn``: write ``i`` replaces or deletes some
of 3,000 shared points, with the optimizer coming in. ``create``: write ``i`` drops the collection
and creates it anew. Each finished write is one line with its number.
"""

import sys
from pathlib import Path

from ingestion_pipeline.core.points import Point
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline_tests.points.stores.samples import make_id, make_point, make_spec

CODE = "code_processes"
PATIENCE_SECONDS = 120
SHARED_POINTS = 3000
GROWTH = 10


def make_grown(write: int) -> list[Point]:
    return [make_point(n, version=write) for n in range(write * GROWTH, (write + 1) * GROWTH)]


def make_churned(write: int) -> list[Point]:
    # Vector and payload tell the same version, so that a torn point shows.
    return [make_point(n, dense=(1, write % 97, 0, 0), version=write) for n in range(SHARED_POINTS)]


def list_deleted(write: int) -> list[str]:
    return [make_id(n) for n in range(SHARED_POINTS) if n % 3 == write % 3]


def perform(store: EdgePointStore, mode: str, write: int) -> None:
    if mode == "grow":
        store.upsert(CODE, make_grown(write))
    elif mode == "create":
        store.drop_collection(CODE)
        store.ensure_collection(make_spec(CODE))
    elif write % 2:
        store.delete(CODE, list_deleted(write))
    else:
        store.upsert(CODE, make_churned(write))


def main(root: str, mode: str, first: str, last: str) -> None:
    store = EdgePointStore(Path(root), PATIENCE_SECONDS)
    for write in range(int(first), int(last)):
        perform(store, mode, write)
        sys.stdout.write(f"{write}\n")
        sys.stdout.flush()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
