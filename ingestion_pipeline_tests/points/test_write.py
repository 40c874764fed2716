"""What stands in the store after any sequence of syncs, with a crash at any write."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.points import (
    CollectionSpec,
    Point,
    PointFilter,
    SparseVector,
    make_point_id,
)
from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.core.state import IndexedBranch
from ingestion_pipeline.points.build import DocumentPoints, MovedPoints
from ingestion_pipeline.points.drift import quantize
from ingestion_pipeline.points.write import (
    BranchWriter,
    WriteCounts,
    branch_filter,
    remove_branch_points,
    sweep_orphans,
)
from ingestion_pipeline_tests.crashing import (
    STATE_WRITES,
    STORE_WRITES,
    Crash,
    CrashingProxy,
    CrashPlan,
)
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore

SOURCE = SourceId(SourceKind.GITHUB, "42")
COLLECTION = "code_test"
BRANCH = "main"

# path → symbol → version of its text
Tree = Mapping[str, Mapping[str, int]]
TREES = st.dictionaries(
    st.sampled_from(["a.py", "b.py", "c.py", "d/e.py"]),
    st.dictionaries(st.sampled_from(["", "f", "g", "C.m"]), st.integers(0, 2), min_size=1),
)


def make_documents(tree: Tree) -> Iterator[DocumentPoints]:
    for path, symbols in tree.items():
        points = tuple(make_point(path, symbol, version) for symbol, version in symbols.items())
        hashes = {point.id: str(point.payload["version"]) for point in points}
        yield DocumentPoints(path, f"sha-{sorted(symbols.items())}", points, hashes)


def make_point(path: str, symbol: str, version: int) -> Point:
    payload = {"source": str(SOURCE), "branch": BRANCH, "path": path, "version": version}
    point_id = make_point_id(SOURCE, BRANCH, path, symbol or "<file>")
    return Point(point_id, (1.0, 0.0), SparseVector((), ()), payload)


def make_row() -> IndexedBranch:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return IndexedBranch(BRANCH, "sha", "", "f", COLLECTION, moment, 1, 1, 1)


def make_store() -> FakePointStore:
    store = FakePointStore()
    store.ensure_collection(CollectionSpec(COLLECTION, 2))
    return store


def make_writer(store: Any, state: Any) -> BranchWriter:
    return BranchWriter(store, state, COLLECTION, SOURCE, BRANCH)


def write_tree(store: Any, state: Any, tree: Tree) -> WriteCounts:
    """Write the complete content of the branch: what the state knows besides it is gone."""
    removed = sorted(set(state.list_document_versions(SOURCE, BRANCH)) - set(tree))
    return make_writer(store, state).write_documents(make_documents(tree), removed)


def stored_versions(store: FakePointStore) -> dict[str, int]:
    points = store.scroll(COLLECTION, branch_filter(SOURCE, BRANCH))
    return {p.id: p.payload["version"] for p in points if "version" in p.payload}


def expected_versions(tree: Tree) -> dict[str, int]:
    return {p.id: p.payload["version"] for d in make_documents(tree) for p in d.points}


@settings(max_examples=300, deadline=None)
@example(  # the tree goes back to what was deleted just before the crash
    trees=[{"a.py": {"": 0}, "b.py": {"": 0}}, {"a.py": {"": 0}}],
    last={"a.py": {"": 0}, "b.py": {"": 0}},
    crashes=[(9, True), (1, False)],
)
@example(  # the same for a symbol
    trees=[{"a.py": {"": 0, "f": 0}}, {"a.py": {"": 0}}],
    last={"a.py": {"": 0, "f": 0}},
    crashes=[(9, True), (1, False)],
)
@given(
    trees=st.lists(TREES, min_size=1, max_size=4),
    last=TREES,
    crashes=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=4),
)
def test_after_any_crashes_the_next_sync_leaves_exactly_the_tree(
    trees: list[Tree], last: Tree, crashes: list[tuple[int, bool]]
) -> None:
    store, state = make_store(), FakeStateStore()
    for number, tree in enumerate(trees):
        at_write, before = crashes[number] if number < len(crashes) else (None, False)
        plan = CrashPlan(at_write, before=before)
        dying = CrashingProxy(store, plan, STORE_WRITES), CrashingProxy(state, plan, STATE_WRITES)
        try:
            write_tree(*dying, tree)
        except Crash:
            continue
    write_tree(store, state, last)
    assert stored_versions(store) == expected_versions(last)
    assert state.count_points(SOURCE, BRANCH) == len(expected_versions(last))


@settings(max_examples=100, deadline=None)
@given(before=TREES, after=TREES)
def test_only_what_changed_is_written(before: Tree, after: Tree) -> None:
    store, state = make_store(), FakeStateStore()
    write_tree(store, state, before)
    written = len(store.upserted_ids)
    counts = write_tree(store, state, after)
    old, new = expected_versions(before), expected_versions(after)
    assert counts == WriteCounts(
        added=len(new.keys() - old.keys()),
        changed=sum(old[k] != new[k] for k in old.keys() & new.keys()),
        deleted=len(old.keys() - new.keys()),
        unchanged=sum(old[k] == new[k] for k in old.keys() & new.keys()),
    )
    assert len(store.upserted_ids) - written == counts.added + counts.changed


@settings(max_examples=100, deadline=None)
@given(
    moved=st.sets(st.integers(0, 3), min_size=1),
    crash=st.tuples(st.none() | st.integers(0, 3), st.booleans()),
)
def test_points_that_moved_are_written_alone(
    moved: set[int], crash: tuple[int | None, bool]
) -> None:
    store, state = make_store(), FakeStateStore()
    points = [make_point("a.py", symbol, 0) for symbol in ("", "f", "g", "h")]
    whole = DocumentPoints("a.py", "sha", tuple(points), {point.id: "0" for point in points})
    make_writer(store, state).write_documents([whole])
    written = len(store.upserted_ids)
    turned = [replace(p, dense=(0.0, 1.0)) if i in moved else p for i, p in enumerate(points)]
    plan = CrashPlan(crash[0], before=crash[1])
    dying = CrashingProxy(store, plan, STORE_WRITES), CrashingProxy(state, plan, STATE_WRITES)
    try:
        part = MovedPoints("a.py", tuple(turned[place] for place in sorted(moved)))
        counts = make_writer(*dying).write_documents([part])
    except Crash:
        make_writer(store, state).write_documents([replace(whole, points=tuple(turned))])
    else:
        assert counts == WriteCounts(changed=len(moved), unchanged=len(points) - len(moved))
        assert set(store.upserted_ids[written:]) == {points[place].id for place in moved}
    stored = {
        point.id: point.dense
        for point in store.scroll(COLLECTION, branch_filter(SOURCE, BRANCH), with_vectors=True)
    }
    assert stored == {point.id: point.dense for point in turned}
    [document] = state.read_documents(SOURCE, BRANCH, ["a.py"]).values()
    assert (document.content_hash, document.points) == ("sha", whole.hashes)
    vectors = np.array([point.dense for point in turned], np.float32)
    assert document.vectors == quantize(vectors).tobytes()


def test_a_reader_never_sees_a_file_vanish_while_it_is_rewritten() -> None:
    store, state = make_store(), FakeStateStore()
    make_writer(store, state).write_documents(make_documents({"a.py": {"": 0, "f": 0}}))
    seen: list[int] = []

    class Watching:
        def __getattr__(self, name: str) -> Any:
            seen.append(store.count(COLLECTION, PointFilter({"path": "a.py"})))
            return getattr(store, name)

    make_writer(cast(Any, Watching()), state).write_documents(
        make_documents({"a.py": {"": 1, "g": 1}})
    )
    assert seen
    assert min(seen) >= 2


def test_rewrite_puts_back_a_lost_store() -> None:
    tree = {"a.py": {"": 0, "f": 0}}
    state = FakeStateStore()
    make_writer(make_store(), state).write_documents(make_documents(tree))
    fresh = make_store()
    make_writer(fresh, state).forget_hashes()
    make_writer(fresh, state).write_documents(make_documents(tree))
    assert stored_versions(fresh) == expected_versions(tree)


def test_points_that_a_lost_state_does_not_name_are_swept() -> None:
    store = make_store()
    make_writer(store, FakeStateStore()).write_documents(
        make_documents({"a.py": {"": 0}, "gone.py": {"": 0, "f": 0}})
    )
    state = FakeStateStore()
    make_writer(store, state).write_documents(make_documents({"a.py": {"": 0}}))
    assert sweep_orphans(store, state, COLLECTION, SOURCE) == 2
    assert stored_versions(store) == expected_versions({"a.py": {"": 0}})
    assert sweep_orphans(store, state, COLLECTION, SOURCE) == 0


def test_sweeping_keeps_the_branches_own_point_and_other_sources() -> None:
    store, state = make_store(), FakeStateStore()
    writer = make_writer(store, state)
    writer.write_documents(make_documents({"a.py": {"": 0}}))
    own = replace(make_point("", "", 0), id=make_point_id(SOURCE, BRANCH, ""))
    writer.finish(own, make_row())
    other = replace(make_point("x", "", 0), id=make_point_id(SOURCE, "other", "x"))
    payload = {**other.payload, "source": "github:7"}
    store.upsert(COLLECTION, [replace(other, payload=payload)])
    assert sweep_orphans(store, state, COLLECTION, SOURCE) == 0
    assert store.count(COLLECTION, PointFilter({})) == 3


def test_removing_a_branch_leaves_nothing_of_it() -> None:
    store, state = make_store(), FakeStateStore()
    make_writer(store, state).write_documents(make_documents({"a.py": {"": 0, "f": 1}}))
    assert remove_branch_points(store, state, COLLECTION, SOURCE, BRANCH) == 2
    assert stored_versions(store) == {}
    assert state.list_branch_names(SOURCE) == []
