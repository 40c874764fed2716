"""Another encoder is rolled out: searches go on, nothing deleted answers, crashes are mended."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.points import CollectionSpec, Point, PointFilter
from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.indexing.verify import repair_repository
from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.indexing.world import (
    ALIAS,
    COLLECTION,
    NEXT_COLLECTION,
    Index,
)
from ingestion_pipeline_tests.state.samples import make_branch

FIRST: Files = {
    "a.py": "def one():\n    two()\n",
    "b.py": "def two():\n    pass\n\n\ndef three():\n    pass\n",
    "lib/c.go": "package lib\n\nfunc Four() {}\n",
}
SECOND: Files = {"b.py": "def two():\n    return 2\n", "d.rb": "def five\nend\n", "lib/c.go": None}
OTHER = SourceId(SourceKind.GITHUB, "77")
EVERYTHING = PointFilter({})


def _begin(folder: Path) -> Index:
    """Return an index of FIRST whose encoder was changed since."""
    index = Index(folder, GitRepository(folder / "origin.git", FIRST))
    index.roll()
    assert index.store.find_alias(ALIAS) == COLLECTION
    index.use(NEXT_COLLECTION, "next-1")
    return index


def _hold_up(index: Index) -> None:
    """Track another repository, which stays in the first collection."""
    hosted = replace(make_hosted("octo/other"), source=OTHER)
    row = replace(index.row, partition_key="octo/other", hosted=hosted)
    index.state.save_repository(row)
    index.state.commit_branch(OTHER, make_branch(collection=COLLECTION))


def _let_go(index: Index) -> None:
    index.state.untrack_repository("octo/other", index.clock.now())


def _read(index: Index, collection: str) -> dict[str, str]:
    """Return what points of a collection are about, by id."""
    return {
        point.id: f"{point.payload['path']} {point.payload['symbol']}"
        for point in index.store.scroll(collection, EVERYTHING)
    }


_clean: dict[str, Mapping[str, Any]] = {}


def _check_whole(index: Index, folder: Path) -> None:
    tree = index.git.git("rev-parse", "HEAD^{tree}")
    if tree not in _clean:
        clean = Index(folder, index.git)
        clean.use(NEXT_COLLECTION, "next-1")
        clean.roll()
        _clean[tree] = clean.points()
    assert index.points() == _clean[tree]
    assert index.store.find_alias(ALIAS) == NEXT_COLLECTION
    assert index.store.list_collections() == [NEXT_COLLECTION]


def test_the_old_collection_answers_until_all_have_moved(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    before = _read(index, COLLECTION)

    assert not index.roll()

    assert index.store.find_alias(ALIAS) == COLLECTION
    assert _read(index, COLLECTION) == before
    assert set(_read(index, NEXT_COLLECTION)) == set(before)
    assert [row.partition_key for row in index.make_rollout().list_waiting()] == ["octo/other"]
    _let_go(index)
    assert index.make_rollout().finish()
    assert not index.make_rollout().finish()
    assert index.make_rollout().list_waiting() == []
    _check_whole(index, tmp_path / "clean")


def test_what_goes_meanwhile_goes_from_both(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.roll()
    index.git.commit(SECOND)
    index.roll()

    said = set(_read(index, COLLECTION).values())

    # What changed answers as it was; what is new answers after the switch.
    assert said == {" ", "a.py ", "a.py one", "b.py ", "b.py two"}
    assert set(_read(index, NEXT_COLLECTION).values()) == {*said, "d.rb ", "d.rb five"}


def test_what_goes_as_a_branch_moves_goes_from_both(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.git.commit(SECOND)
    index.roll()
    assert set(_read(index, COLLECTION)) < set(_read(index, NEXT_COLLECTION))


def test_what_went_while_the_state_was_lost_goes_from_both(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    index.state = FakeStateStore([index.row])
    _hold_up(index)
    index.git.commit(SECOND)
    index.roll()
    assert set(_read(index, COLLECTION)) < set(_read(index, NEXT_COLLECTION))


def test_an_untracked_branch_goes_from_both(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "origin.git", FIRST)
    git.create_branch("next", git.head())
    index = Index(tmp_path, git)
    index.track("main", "next")
    index.roll()
    _hold_up(index)
    index.use(NEXT_COLLECTION, "next-1")
    index.roll()
    index.track("main")
    index.roll()
    for collection in (COLLECTION, NEXT_COLLECTION):
        branches = {p.payload["branch"] for p in index.store.scroll(collection, EVERYTHING)}
        assert branches == {"main"}


def test_going_back_in_the_middle(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.roll()
    index.git.commit(SECOND)
    index.roll()
    index.use(COLLECTION, index_version := "hashbag-1")

    index.roll()

    clean = Index(tmp_path / "clean", index.git)
    clean.use(COLLECTION, index_version)
    clean.roll()
    assert index.points() == clean.points()
    assert index.store.find_alias(ALIAS) == COLLECTION
    assert index.store.list_collections() == [COLLECTION]


def test_a_third_encoder_in_the_middle_leaves_the_serving_one(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.roll()
    index.use("code_third", "third-1")
    index.roll()
    assert index.store.find_alias(ALIAS) == COLLECTION
    assert _read(index, NEXT_COLLECTION) == {}
    assert set(_read(index, COLLECTION)) == set(_read(index, "code_third"))
    _let_go(index)
    assert index.make_rollout().finish()
    assert index.store.list_collections() == ["code_third"]


def test_a_switch_at_once_does_not_wait(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.roll()
    assert index.make_rollout().finish(at_once=True)
    assert index.store.list_collections() == [NEXT_COLLECTION]


def test_a_repository_without_rows_holds_up_what_still_answers_for_it(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.state.remove_branch(OTHER, make_branch().branch)
    assert index.roll(), "it was never indexed"
    index = _begin(tmp_path / "second")
    _hold_up(index)
    [point] = list(index.store.scroll(COLLECTION, EVERYTHING, with_vectors=True))[:1]
    assert point.dense is not None
    assert point.sparse is not None
    payload = {**point.payload, "source": str(OTHER)}
    index.store.upsert(COLLECTION, [Point("1" * 8, point.dense, point.sparse, payload)])
    index.state.remove_branch(OTHER, make_branch().branch)
    assert not index.roll()


def test_an_index_from_before_there_was_an_alias(tmp_path: Path) -> None:
    index = Index(tmp_path, GitRepository(tmp_path / "origin.git", FIRST))
    index.sync()
    _hold_up(index)
    assert index.store.find_alias(ALIAS) is None
    index.use(NEXT_COLLECTION, "next-1")
    index.roll()
    assert index.store.find_alias(ALIAS) == COLLECTION
    assert set(_read(index, COLLECTION)) == set(_read(index, NEXT_COLLECTION))


def test_before_there_is_an_alias_the_old_index_answers(tmp_path: Path) -> None:
    index = Index(tmp_path, GitRepository(tmp_path / "origin.git", FIRST))
    index.sync()
    index.use(NEXT_COLLECTION, "next-1")
    assert index.make_rollout().find_serving() == COLLECTION


def test_a_collection_of_another_name_is_none_of_this_rollout(tmp_path: Path) -> None:
    index = Index(tmp_path, GitRepository(tmp_path / "origin.git", FIRST))
    foreign = "team_code_test"
    index.use(foreign, "hashbag-1")
    index.store.ensure_collection(CollectionSpec(foreign, ENCODER_DIM))
    index.sync()
    index.use(COLLECTION, "hashbag-1")
    assert index.make_rollout().find_serving() == COLLECTION
    index.roll()
    assert index.store.find_alias(ALIAS) == COLLECTION
    assert _read(index, foreign) == {}


def test_a_target_that_was_lost_is_not_switched_to(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.roll()
    index.store.drop_collection(NEXT_COLLECTION)
    index.store.ensure_collection(CollectionSpec(NEXT_COLLECTION, ENCODER_DIM))
    _let_go(index)
    assert not index.make_rollout().finish()
    assert [row.partition_key for row in index.make_rollout().list_waiting()] == ["octo/cat"]
    assert index.roll()
    _check_whole(index, tmp_path / "clean")


def test_going_back_keeps_what_rows_still_name(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    _hold_up(index)
    index.roll()
    index.use(COLLECTION, "hashbag-1")
    index.make_rollout().finish()
    index.use(NEXT_COLLECTION, "next-1")
    _let_go(index)
    assert index.make_rollout().finish()
    _check_whole(index, tmp_path / "clean")


def test_who_did_not_move_is_stale_once_its_collection_is_dropped(tmp_path: Path) -> None:
    index = _begin(tmp_path)
    index.store.ensure_collection(CollectionSpec(NEXT_COLLECTION, ENCODER_DIM))
    assert index.make_rollout().finish(at_once=True)
    [row] = index.state.list_branches(index.row.source)
    assert (row.collection, row.head_sha) == (COLLECTION, "")
    index.use(COLLECTION, "hashbag-1")
    index.store.ensure_collection(CollectionSpec(COLLECTION, ENCODER_DIM))
    assert not index.make_rollout().finish(), "nothing was written into it yet"


def test_an_untracked_branch_that_the_state_forgot_goes_from_both(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "origin.git", FIRST)
    git.create_branch("next", git.head())
    index = Index(tmp_path, git)
    index.track("main", "next")
    index.roll()
    index.use(NEXT_COLLECTION, "next-1")
    index.row = replace(index.row, branches=("main",))
    index.state = FakeStateStore([index.row])
    _hold_up(index)
    index.roll()
    branches = {p.payload["branch"] for p in index.store.scroll(COLLECTION, EVERYTHING)}
    assert branches == {"main"}


def test_a_repair_deletes_from_both(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "origin.git", FIRST)
    git.create_branch("next", git.head())
    index = Index(tmp_path, git)
    index.track("main", "next")
    index.roll()
    _hold_up(index)
    index.use(NEXT_COLLECTION, "next-1")
    index.roll()
    index.track("main")
    fetch = index.host.get_fetch_source(index.row.hosted)
    repair_repository(index.row, index.mirror, fetch, index.make_target())
    for collection in (COLLECTION, NEXT_COLLECTION):
        branches = {p.payload["branch"] for p in index.store.scroll(collection, EVERYTHING)}
        assert branches == {"main"}


def test_a_crash_at_any_write_after_the_state_was_lost_leaves_nothing_deleted_answering(
    tmp_path: Path,
) -> None:
    def make() -> Iterator[Index]:
        for number in range(100):
            index = _begin(tmp_path / str(number))
            index.state = FakeStateStore([index.row])
            _hold_up(index)
            index.git.commit(SECOND)
            yield index

    for index in _crash_everywhere(make()):
        index.roll()
        assert _read(index, COLLECTION).items() <= _read(index, NEXT_COLLECTION).items()


def _crash_everywhere(make: Iterator[Index]) -> Iterator[Index]:
    for at_write in range(100):
        index = next(make)
        plan = CrashPlan(at_write, before=True)
        try:
            index.roll(plan)
        except Crash:
            yield index
        else:
            assert at_write >= 8, "every write was crashed at, one after another"
            return
    pytest.fail("a sync of four files does not take a hundred writes")


@pytest.mark.parametrize("meanwhile", ["go back"])
def test_a_crash_at_any_write_of_a_move_is_mended(tmp_path: Path, meanwhile: str) -> None:
    def make() -> Iterator[Index]:
        for number in range(100):
            index = _begin(tmp_path / str(number))
            index.git.commit(SECOND)
            yield index

    for index in _crash_everywhere(make()):
        _go(index, meanwhile)
        index.roll()
        _check_whole(index, index.folder / "clean")


@pytest.mark.parametrize("meanwhile", ["lose the state"])
def test_a_crash_at_any_write_during_a_rollout_leaves_nothing_deleted_answering(
    tmp_path: Path, meanwhile: str
) -> None:
    def make() -> Iterator[Index]:
        for number in range(100):
            index = _begin(tmp_path / str(number))
            _hold_up(index)
            index.roll()
            index.git.commit(SECOND)
            yield index

    for index in _crash_everywhere(make()):
        _go(index, meanwhile)
        if meanwhile == "lose the state":
            _hold_up(index)
        index.roll()
        assert index.store.find_alias(ALIAS) == COLLECTION
        there = _read(index, COLLECTION)
        assert there.items() <= _read(index, NEXT_COLLECTION).items()
        assert {"a.py ", "a.py one", "b.py ", "b.py two"} <= set(there.values())
        _let_go(index)
        index.make_rollout().finish()
        _check_whole(index, index.folder / "clean")


def _go(index: Index, meanwhile: str) -> None:
    if meanwhile == "go back":
        index.git.commit(FIRST, orphan=True)
    elif meanwhile == "go on":
        index.git.commit({"d.rb": None, "e.sh": "greet() { echo hi; }\n"})
    elif meanwhile == "lose the state":
        index.state = FakeStateStore([index.row])


_NAMES = ["a.py", "b.py", "c.py"]
_TEXTS = st.sampled_from(
    [None, "def f():\n    pass\n", "def f():\n    return 1\n\n\ndef g():\n    f()\n"]
)
_STEP = st.one_of(
    st.dictionaries(st.sampled_from(_NAMES), _TEXTS, min_size=1, max_size=3),
    st.sampled_from(["first", "next", "switch"]),
)


@given(steps=st.lists(st.tuples(_STEP, st.none() | st.integers(0, 12)), min_size=1, max_size=6))
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_happens_the_serving_collection_names_only_what_is_there(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[dict[str, str | None] | str, int | None]],
) -> None:
    folder = tmp_path_factory.mktemp("rollout")
    index = Index(folder, GitRepository(folder / "origin.git", {"a.py": "def f():\n    pass\n"}))
    index.roll()
    _hold_up(index)
    for step, at_write in steps:
        if step == "first":
            index.use(COLLECTION, "hashbag-1")
        elif step == "next":
            index.use(NEXT_COLLECTION, "next-1")
        elif step == "switch":
            index.store.ensure_collection(CollectionSpec(index.collection, ENCODER_DIM))
            index.make_rollout().finish(at_once=True)
        elif isinstance(step, dict):
            index.git.commit({**step, "keep.txt": f"{at_write} {len(steps)}"})
        try:
            index.roll(CrashPlan(at_write, before=True))
        except Crash:
            index.roll()
        serving = index.make_rollout().find_serving()
        assert _read(index, serving).items() <= _read(index, index.collection).items()
    _let_go(index)
    index.roll()
    clean = Index(folder / "clean", index.git)
    clean.use(index.collection, index.rules.encoder_version)
    clean.roll()
    assert index.points() == clean.points()
    assert index.store.list_collections() == [index.collection]
