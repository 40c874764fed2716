"""Any sequence of writes leaves what a dictionary would hold."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import Point
from ingestion_pipeline_tests.points.stores.conftest import open_store
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_point,
    make_spec,
    where,
    words,
)

CODE = "code_model"
KINDS = ("file", "class", "function")
# A number of the model stands for so many points: together they are over what is sealed.
GROUP = 20
Model = dict[str, Point]
Write = Callable[[PointStore, Model], None]


def list_group(group: int) -> range:
    return range(group * GROUP, (group + 1) * GROUP)


def upsert(entries: list[tuple[int, int]]) -> Write:
    points = [
        make_point(
            number,
            dense=(1, version, 0, 0),
            sparse=words(*range(version)),
            version=version,
            kind=KINDS[version % 3],
        )
        for group, version in entries
        for number in list_group(group)
    ]

    def write(store: PointStore, model: Model) -> None:
        store.upsert(CODE, points)
        model.update((point.id, point) for point in points)

    return write


def delete(groups: list[int]) -> Write:
    numbers = [number for group in groups for number in list_group(group)]

    def write(store: PointStore, model: Model) -> None:
        store.delete(CODE, [make_id(number) for number in numbers])
        for number in numbers:
            model.pop(make_id(number), None)

    return write


def delete_kinds(kinds: tuple[str, ...]) -> Write:
    def write(store: PointStore, model: Model) -> None:
        store.delete_matching(CODE, where(kind=kinds))
        for key in [key for key, point in model.items() if point.payload["kind"] in kinds]:
            del model[key]

    return write


def reopen(store: PointStore, _: Model) -> None:
    store.close()


GROUPS = st.integers(0, 7)
WRITES = st.one_of(
    st.lists(st.tuples(GROUPS, st.integers(0, 5)), max_size=8).map(upsert),
    st.lists(GROUPS, max_size=4).map(delete),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=2).map(tuple).map(delete_kinds),
    st.just(reopen),
)


@pytest.fixture(params=["fake", "edge", "edge-sealing"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PointStore]:
    opened = open_store(request.param, tmp_path, ExitStack())
    opened.ensure_collection(make_spec(CODE))
    yield opened
    opened.close()


@settings(
    max_examples=25,
    deadline=None,
    # Examples share the store on purpose: each starts by emptying it, which is a write as well.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(writes=st.lists(WRITES, min_size=1, max_size=8))
def test_any_sequence_of_writes_equals_a_dictionary(store: PointStore, writes: list[Write]) -> None:
    model: Model = {}
    delete_kinds(KINDS)(store, model)
    for write in writes:
        write(store, model)
        shown = {p.id: p.payload["version"] for p in store.scroll(CODE, EVERYTHING, batch_size=30)}
        assert shown == {key: point.payload["version"] for key, point in model.items()}
    for point in store.retrieve(CODE, [make_id(n) for n in range(8 * GROUP)], with_vectors=True):
        expected = model.pop(point.id)
        assert point.payload == expected.payload
        assert point.dense == pytest.approx(expected.dense, abs=1e-5)
        assert point.sparse == expected.sparse
    assert not model
