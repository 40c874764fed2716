"""Following renames, and the plan for the partition keys."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.errors import InvalidRepositoryNameError
from ingestion_pipeline.core.repositories import RepositoryStatus, TrackedRepository
from ingestion_pipeline.tracking.reconcile import PartitionPlan, reconcile_partitions
from ingestion_pipeline.tracking.rename import follow_rename, follow_renames, move_repository
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore


def _track(name: str, number: int, **more: object) -> TrackedRepository:
    return replace(TrackedRepository(name, make_hosted(name, number)), **more)


def _see(row: TrackedRepository, name: str) -> RemoteState:
    return RemoteState(row.source, RepositoryStatus.ACTIVE, full_name=name)


def test_a_rename_moves_key_and_name_and_nothing_else():
    row = _track("a/b", 1, branches=("dev",), pushed_at_seen="P")
    state = FakeStateStore([row])
    moved = follow_rename(row, _see(row, "a/c"), state)
    hosted = replace(row.hosted, full_name="a/c")
    assert moved == replace(row, partition_key="a/c", hosted=hosted, former_keys=("a/b",))
    assert state.list_repositories() == [moved]


def test_a_rename_keeps_what_a_command_changed_since_the_row_was_read():
    row = _track("a/b", 1)
    changed = replace(row, branches=("dev",), ignore_patterns=("docs/",), pushed_at_seen="P")
    state = FakeStateStore([changed])
    moved = follow_rename(row, _see(row, "a/c"), state)
    assert (moved.branches, moved.ignore_patterns) == (("dev",), ("docs/",))
    assert (moved.pushed_at_seen, moved.former_keys) == ("P", ("a/b",))
    assert state.list_repositories() == [moved]


def test_a_rename_does_not_track_again_what_was_untracked_since_the_row_was_read():
    row = _track("a/b", 1)
    untracked = replace(row, untracked_at=START)
    state = FakeStateStore([untracked])
    renames = follow_renames([row], {row.source: _see(row, "a/c")}, state)
    assert (renames.moved, renames.blocked) == ((), ())
    assert state.list_repositories(include_untracked=True) == [untracked]


def test_a_rename_seen_by_a_lookup_keeps_the_options_and_takes_the_facts():
    row = _track("a/b", 1)
    state = FakeStateStore([replace(row, branches=("dev",))])
    hosted = replace(row.hosted, full_name="a/c", clone_url="https://example.org/a/c.git")
    moved = move_repository(row, hosted, state)
    assert (moved.partition_key, moved.hosted, moved.branches) == ("a/c", hosted, ("dev",))
    assert state.list_repositories() == [moved]


def test_a_lookup_whose_name_is_taken_changes_nothing():
    rows = [_track("a/b", 1), _track("a/c", 2)]
    state = FakeStateStore(rows)
    assert move_repository(rows[0], replace(rows[0].hosted, full_name="a/c"), state) == rows[0]
    assert state.list_repositories() == rows


@pytest.mark.parametrize("name", ["a/b", ""])
def test_the_same_or_an_unknown_name_changes_nothing(name: str):
    row = _track("a/b", 1)
    state = FakeStateStore([row])
    assert follow_rename(row, _see(row, name), state) is row
    assert state.list_repositories() == [row]


def test_a_name_that_cannot_be_a_key_is_an_error():
    row = _track("a/b", 1)
    with pytest.raises(InvalidRepositoryNameError):
        follow_rename(row, _see(row, "a b/c"), FakeStateStore([row]))


def test_renamed_there_and_back_the_key_is_not_its_own_past():
    row = _track("a/b", 1)
    state = FakeStateStore([row])
    there = follow_rename(row, _see(row, "a/c"), state)
    back = follow_rename(there, _see(row, "a/b"), state)
    assert (back.partition_key, back.former_keys) == ("a/b", ("a/c",))


def test_a_chain_of_renames_is_followed_in_any_order():
    rows = [_track("a/a", 1), _track("a/b", 2), _track("a/c", 3)]
    names = {"a/a": "a/b", "a/b": "a/c", "a/c": "a/d"}
    states = {row.source: _see(row, names[row.partition_key]) for row in rows}
    state = FakeStateStore(rows)
    renames = follow_renames(rows, states, state)
    assert {r.source.stable_id: r.partition_key for r in state.list_repositories()} == {
        "1": "a/b",
        "2": "a/c",
        "3": "a/d",
    }
    assert (len(renames.moved), renames.blocked) == (3, ())


def test_swapped_names_stay_as_they_are():
    rows = [_track("a/a", 1), _track("a/b", 2)]
    states = {rows[0].source: _see(rows[0], "a/b"), rows[1].source: _see(rows[1], "a/a")}
    state = FakeStateStore(rows)
    renames = follow_renames(rows, states, state)
    assert (renames.moved, renames.blocked) == ((), tuple(rows))
    assert state.list_repositories() == rows


def test_a_repository_nobody_could_ask_about_is_left_alone():
    row = _track("a/b", 1)
    assert follow_renames([row], {}, FakeStateStore([row])).moved == ()


@pytest.mark.parametrize(
    ("tracked", "untracked", "keys", "expected"),
    [
        ([], [], [], PartitionPlan()),
        ([_track("a/b", 1)], [], [], PartitionPlan(add=("a/b",))),
        ([_track("a/b", 1)], [], ["a/b"], PartitionPlan()),
        ([], [_track("a/b", 1)], ["a/b"], PartitionPlan(remove=("a/b",))),
        ([], [_track("a/b", 1)], [], PartitionPlan()),
        ([], [], ["x/y"], PartitionPlan(adopt=("x/y",))),
        (
            [_track("a/c", 1, former_keys=("a/b",))],
            [],
            ["a/b"],
            PartitionPlan(add=("a/c",), remove=("a/b",)),
        ),
        # The old name has gone to another repository since.
        ([_track("a/c", 1, former_keys=("a/b",)), _track("a/b", 2)], [], ["a/b", "a/c"],
         PartitionPlan()),
        ([_track("a/b", 2)], [_track("a/b", 1)], ["a/b"], PartitionPlan()),
    ],
)  # fmt: skip
def test_the_plan(
    tracked: list[TrackedRepository],
    untracked: list[TrackedRepository],
    keys: list[str],
    expected: PartitionPlan,
):
    assert reconcile_partitions(tracked, untracked, keys) == expected


def test_keys_of_no_use_are_named_and_left_alone():
    plan = reconcile_partitions([], [], ["nonsense", "local/app", "x/y"])
    assert plan.adopt == ("x/y",)
    assert set(plan.rejected) == {"nonsense", "local/app"}
    assert "owner/name" in plan.rejected["nonsense"]
    assert "track --path" in plan.rejected["local/app"]


_KEYS = st.sampled_from(["a/a", "a/b", "a/c", "a/d", "bad", "local/x"])


@given(
    st.lists(_KEYS, unique=True, max_size=3),
    st.lists(_KEYS, max_size=3),
    st.lists(_KEYS, max_size=3),
    st.sets(_KEYS),
)
def test_one_application_of_the_plan_is_enough(
    present: list[str], former: list[str], gone: list[str], keys: set[str]
):
    tracked = [_track(key, i, former_keys=tuple(former)) for i, key in enumerate(present)]
    untracked = [_track(key, 100 + i, untracked_at=START) for i, key in enumerate(gone)]
    plan = reconcile_partitions(tracked, untracked, keys)
    groups = [set(plan.add), set(plan.remove), set(plan.adopt), set(plan.rejected)]
    assert sum(map(len, groups)) == len(set().union(*groups))
    after = (keys | set(plan.add)) - set(plan.remove)
    assert set(present) <= after
    again = reconcile_partitions(tracked, untracked, after)
    assert (again.add, again.remove, again.adopt) == ((), (), plan.adopt)
