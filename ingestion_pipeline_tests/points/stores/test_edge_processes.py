"""The embedded store between processes: nothing is lost, by sharing or by killing."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingestion_pipeline.points.edge_convert import SEAL_KIB
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline_tests.points.stores.edge_writer import (
    CODE,
    GROWTH,
    PATIENCE_SECONDS,
    SHARED_POINTS,
    list_deleted,
    make_churned,
)
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_spec,
    normalise,
    where,
)

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]
MODULE = "ingestion_pipeline_tests.points.stores.edge_writer"


@contextmanager
def start_writer(root: Path, mode: str, first: int, last: int) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-m", MODULE, str(root), mode, str(first), str(last)]
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as writer:
        try:
            yield writer
        finally:
            writer.kill()


@pytest.fixture
def seal_kib() -> int:
    return SEAL_KIB


@pytest.fixture
def store(tmp_path: Path, seal_kib: int) -> Iterator[EdgePointStore]:
    opened = EdgePointStore(tmp_path / "points", PATIENCE_SECONDS, seal_kib=seal_kib)
    opened.ensure_collection(make_spec(CODE))
    yield opened
    opened.close()


@pytest.fixture
def root(store: EdgePointStore, tmp_path: Path) -> Path:
    return tmp_path / "points"


def test_two_writers_and_a_reader_lose_nothing(store: EdgePointStore, root: Path) -> None:
    with start_writer(root, "grow", 0, 15) as one, start_writer(root, "grow", 15, 30) as two:
        counts = [store.count(CODE, EVERYTHING)]
        while one.poll() is None or two.poll() is None:
            counts.append(store.count(CODE, EVERYTHING))
            assert sum(1 for _ in store.scroll(CODE, EVERYTHING, batch_size=50)) >= counts[-1]
        assert (one.returncode, two.returncode) == (0, 0)
    assert counts == sorted(counts)
    assert all(count % GROWTH == 0 for count in counts), "a reader saw half an upsert"
    ids = [point.id for point in store.scroll(CODE, EVERYTHING)]
    assert ids == sorted(make_id(n) for n in range(30 * GROWTH))
    assert all(store.count(CODE, where(version=write)) == GROWTH for write in range(30))


def kill_while_writing(root: Path, mode: str, first: int, chance: random.Random) -> int:
    """Kill a writer a random moment after some acknowledged write; return the next write's number.

    The moment is drawn over about three writes, so that kills hit logs, segments and flushes.
    """
    acknowledged = first - 1
    with start_writer(root, mode, first, first + 1000) as writer:
        assert writer.stdout
        for _ in range(chance.randint(1, 4)):
            acknowledged = int(writer.stdout.readline())
        try:
            writer.wait(timeout=chance.uniform(0, 0.3))
        except subprocess.TimeoutExpired:
            writer.kill()
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split())])
    return acknowledged + 1


def make_expected(write: int) -> dict[str, int]:
    """Id → version after the write of that number; the upsert before a deletion is in it."""
    upsert = write - write % 2
    expected = {make_id(n): upsert for n in range(SHARED_POINTS)}
    for key in list_deleted(write) if write % 2 else []:
        del expected[key]
    return expected


@pytest.mark.parametrize("seal_kib", [SEAL_KIB, 8])  # of 48 that are written
def test_a_killed_writer_leaves_every_acknowledged_write(store: EdgePointStore, root: Path) -> None:
    chance, following = random.Random(20260131), 0
    for _ in range(6):
        store.close()
        following = kill_while_writing(root, "churn", following, chance)
        shown = {point.id: point for point in store.scroll(CODE, EVERYTHING, with_vectors=True)}
        versions = {key: point.payload["version"] for key, point in shown.items()}
        done, begun = make_expected(following - 1), make_expected(following)
        for key in done.keys() | begun.keys():
            assert versions.get(key) in {done.get(key), begun.get(key)}, f"write {following}"
        for point in shown.values():
            dense = normalise((1, point.payload["version"] % 97, 0, 0))
            assert point.dense == pytest.approx(dense, abs=1e-5), "a torn point"
        assert store.count(CODE, where(branch="main")) == len(versions)
    store.upsert(CODE, make_churned(following + following % 2))
    assert store.count(CODE, EVERYTHING) == SHARED_POINTS


def test_a_writer_killed_while_creating_leaves_a_collection_or_none(
    store: EdgePointStore, root: Path
) -> None:
    chance, following = random.Random(7), 0
    for _ in range(6):
        store.close()
        following = kill_while_writing(root, "create", following, chance)
        assert store.list_collections() in ([], [CODE])
        assert store.count(CODE, EVERYTHING) == 0
        store.ensure_collection(make_spec(CODE))
        store.upsert(CODE, make_churned(0)[:5])
        assert store.count(CODE, where(source="github:42")) == 5
