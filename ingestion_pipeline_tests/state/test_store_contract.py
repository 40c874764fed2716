"""What every state store does, the fake included."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from ingestion_pipeline.core.errors import (
    ConfigurationError,
    RepositoryBusyError,
    RepositoryNotTrackedError,
)
from ingestion_pipeline.core.relations import Neighbour
from ingestion_pipeline.core.repositories import RepositoryStatus, SourceId, SourceKind
from ingestion_pipeline.core.state import (
    CheckSchedule,
    DocumentVersion,
    StateStore,
    SyncProgress,
    SyncStatus,
)
from ingestion_pipeline_tests.state.samples import (
    NOON,
    NOON_ELSEWHERE,
    make_branch,
    make_document,
    make_hosted,
    make_relations,
    make_repository,
    make_source,
    make_sync,
)

# -- tracked repositories


def test_a_repository_comes_back_as_it_went_in(store: StateStore) -> None:
    repository = make_repository(
        branches=("main", "données/été"),
        status_detail="gone: “404”",
        pushed_at_seen="2026-01-29T00:00:00Z",
        former_keys=("old/name",),
        ignore_patterns=("docs/", "!docs/ünï.py", "# not a comment here"),
    )

    store.save_repository(repository)

    assert store.find_repository("pallets/flask") == repository
    assert store.find_source(make_source()) == repository


def test_an_empty_repository_comes_back_as_it_went_in(store: StateStore) -> None:
    hosted = make_hosted(default_branch="", pushed_at=None, web_url="", node_id="")
    repository = make_repository(hosted=hosted, tracked_at=None)

    store.save_repository(repository)

    assert store.find_source(make_source()) == repository


def test_sources_of_different_kinds_may_share_a_number(store: StateStore) -> None:
    local = replace(make_hosted(name="me/flask"), source=SourceId(SourceKind.LOCAL, "1"))

    store.save_repository(make_repository())
    store.save_repository(make_repository(name="me/flask", hosted=local))

    assert [r.partition_key for r in store.list_repositories()] == ["me/flask", "pallets/flask"]


def test_unknown_repositories_are_none(store: StateStore) -> None:
    assert store.find_repository("no/body") is None
    assert store.find_source(make_source(9)) is None
    assert store.list_repositories(include_untracked=True) == []


def test_saving_again_replaces_the_row(store: StateStore) -> None:
    store.save_repository(make_repository(branches=("main",), pushed_at_seen="x"))
    store.save_repository(make_repository(branches=("next",)))

    assert store.list_repositories() == [make_repository(branches=("next",))]


def test_a_rename_moves_the_row_and_remembers_its_key(store: StateStore) -> None:
    store.save_repository(make_repository())
    store.commit_documents(make_source(), "main", [make_document("a.py")], [])

    store.save_repository(make_repository(name="pallets/bottle"))
    moved = store.find_repository("pallets/bottle")

    assert moved == make_repository(name="pallets/bottle", former_keys=("pallets/flask",))
    assert store.find_repository("pallets/flask") is None
    assert store.count_points(make_source()) == 1


def test_renames_add_up_in_order(store: StateStore) -> None:
    repository = make_repository(name="a/a")
    for name in ("a/a", "b/b", "c/c"):
        store.save_repository(replace(repository, partition_key=name))
        repository = store.find_repository(name) or repository

    assert repository.former_keys == ("a/a", "b/b")


def test_a_former_key_taken_up_again_is_no_former_key(store: StateStore) -> None:
    for name in ("a/a", "b/b", "c/c", "a/a"):
        store.save_repository(make_repository(name=name))

    assert store.list_repositories() == [make_repository(name="a/a", former_keys=("b/b", "c/c"))]


def test_a_moved_key_leaves_what_a_command_changed_meanwhile(store: StateStore) -> None:
    store.save_repository(make_repository())
    stale = store.find_repository("pallets/flask")
    changed = make_repository(branches=("next",), ignore_patterns=("docs/",), pushed_at_seen="x")
    store.save_repository(changed)

    moved = store.move_partition_key(make_source(), "pallets/bottle")

    hosted = replace(changed.hosted, full_name="pallets/bottle")
    expected = replace(
        changed, partition_key="pallets/bottle", hosted=hosted, former_keys=("pallets/flask",)
    )
    assert moved == expected != stale
    assert store.list_repositories() == [expected]


def test_moves_add_up_and_a_key_is_not_its_own_past(store: StateStore) -> None:
    store.save_repository(make_repository(name="a/a"))
    for name in ("b/b", "c/c", "a/a", "a/a"):
        store.move_partition_key(make_source(), name)

    row = store.find_source(make_source())
    assert row is not None
    assert (row.partition_key, row.former_keys) == ("a/a", ("b/b", "c/c"))


def test_a_move_does_not_track_again_what_was_untracked(store: StateStore) -> None:
    store.save_repository(make_repository())
    store.untrack_repository("pallets/flask", NOON)

    assert store.move_partition_key(make_source(), "pallets/bottle") is None
    assert store.move_partition_key(make_source(9), "pallets/bottle") is None

    rows = store.list_repositories(include_untracked=True)
    assert rows == [make_repository(untracked_at=NOON)]


def test_a_move_onto_a_taken_key_changes_nothing(store: StateStore) -> None:
    store.save_repository(make_repository(1))
    store.save_repository(make_repository(2, "pallets/bottle"))

    with pytest.raises(ConfigurationError, match="pallets/flask"):
        store.move_partition_key(make_source(2), "pallets/flask")

    assert store.find_source(make_source(2)) == make_repository(2, "pallets/bottle")


def test_a_tracked_key_belongs_to_one_source(store: StateStore) -> None:
    store.save_repository(make_repository(1))

    with pytest.raises(ConfigurationError, match="pallets/flask"):
        store.save_repository(make_repository(2))

    assert store.find_source(make_source(2)) is None
    assert store.find_repository("pallets/flask") == make_repository(1)


def test_a_rename_onto_a_taken_key_changes_nothing(store: StateStore) -> None:
    store.save_repository(make_repository(1))
    store.save_repository(make_repository(2, "pallets/bottle"))

    with pytest.raises(ConfigurationError):
        store.save_repository(make_repository(2, "pallets/flask"))

    assert store.find_source(make_source(2)) == make_repository(2, "pallets/bottle")


def test_an_untracked_row_frees_its_key_and_stays(store: StateStore) -> None:
    store.save_repository(make_repository(1))
    store.untrack_repository("pallets/flask", NOON)
    store.save_repository(make_repository(2))

    untracked = make_repository(1, untracked_at=NOON)
    assert store.find_repository("pallets/flask") == make_repository(2)
    assert store.list_repositories() == [make_repository(2)]
    assert store.list_repositories(include_untracked=True) == [untracked, make_repository(2)]


def test_tracking_again_takes_up_the_same_row(store: StateStore) -> None:
    store.save_repository(make_repository())
    store.commit_documents(make_source(), "main", [make_document("a.py")], [])
    store.untrack_repository("pallets/flask", NOON)

    store.save_repository(make_repository())

    assert store.find_repository("pallets/flask") == make_repository()
    assert list(store.list_documents(make_source(), "main")) == ["a.py"]


def test_only_tracked_keys_are_untracked(store: StateStore) -> None:
    store.save_repository(make_repository())
    store.untrack_repository("pallets/flask", NOON)

    with pytest.raises(RepositoryNotTrackedError, match="pallets/flask"):
        store.untrack_repository("pallets/flask", NOON)


def test_forgetting_leaves_the_history_only(store: StateStore) -> None:
    for number, name in ((1, "pallets/flask"), (2, "pallets/bottle")):
        store.save_repository(make_repository(number, name))
        store.commit_documents(make_source(number), "main", [make_document("a.py")], [])
        store.commit_branch(make_source(number), make_branch())
        store.bump_source(make_source(number), NOON)
    store.record_sync(make_sync("run"))

    store.forget_source(make_source(1))

    assert store.find_source(make_source(1)) is None
    assert store.list_branch_names(make_source(1)) == []
    assert store.count_points(make_source(1)) == 0
    assert store.list_syncs("pallets/flask") == [make_sync("run")]
    assert store.count_points(make_source(2)) == 2
    assert list(store.list_heads()) == [make_source(2)]
    assert list(store.list_check_schedules()) == [make_source(2)]


def test_what_the_host_says_leaves_key_and_options(store: StateStore) -> None:
    store.save_repository(make_repository(branches=("next",), pushed_at_seen="x"))
    hosted = make_hosted(name="pallets/bottle", status=RepositoryStatus.ARCHIVED, pushed_at=None)

    store.set_hosted(make_source(), hosted, status_detail="archived by its owner")

    assert store.find_repository("pallets/flask") == make_repository(
        hosted=hosted,
        branches=("next",),
        pushed_at_seen="x",
        status_detail="archived by its owner",
    )


def test_a_status_leaves_the_rest(store: StateStore) -> None:
    store.save_repository(make_repository())

    store.set_status(make_source(), RepositoryStatus.NOT_FOUND, "404")

    hosted = make_hosted(status=RepositoryStatus.NOT_FOUND)
    assert store.find_source(make_source()) == make_repository(hosted=hosted, status_detail="404")


def test_nothing_is_stored_for_a_source_without_a_row(store: StateStore) -> None:
    store.set_hosted(make_source(), make_hosted())
    store.set_status(make_source(), RepositoryStatus.NOT_FOUND, "404")
    store.set_pushed_at_seen({make_source(): "x"})

    assert store.find_source(make_source()) is None


def test_a_host_does_not_speak_for_another_source(store: StateStore) -> None:
    store.save_repository(make_repository(1))

    with pytest.raises(ValueError, match="github:2"):
        store.set_hosted(make_source(1), make_hosted(2))

    assert store.find_source(make_source(1)) == make_repository(1)


def test_pushes_seen_are_remembered_in_one_go(store: StateStore) -> None:
    for number in (1, 2, 3):
        store.save_repository(make_repository(number, f"a/{number}"))

    store.set_pushed_at_seen({make_source(1): "one", make_source(3): "three", make_source(9): "?"})
    store.set_pushed_at_seen({})

    assert [r.pushed_at_seen for r in store.list_repositories()] == ["one", None, "three"]


# -- what was indexed


def test_documents_come_back_as_they_went_in(store: StateStore) -> None:
    documents = {
        "src/a.py": make_document("src/a.py", points=3),
        "éé/\\xff “q”.txt": make_document("éé/\\xff “q”.txt"),
        "broken.py": make_document("broken.py", points=0, error="parser failed: 1:2"),
        "whole.py": make_document("whole.py", context="a/b parser-3", vectors=bytes(range(256))),
    }

    store.commit_documents(make_source(), "main", list(documents.values()), [])

    assert store.list_documents(make_source(), "main") == documents
    assert store.list_documents(make_source(), "next") == {}
    assert store.list_documents(make_source(2), "main") == {}


def test_documents_are_replaced_and_removed(store: StateStore) -> None:
    first = [make_document(name, points=2) for name in ("a", "b", "c")]
    store.commit_documents(make_source(), "main", first, [])
    changed = make_document("b", points=1, content_hash="d" * 40)

    store.commit_documents(make_source(), "main", [changed], ["c", "never there"])

    assert store.list_documents(make_source(), "main") == {"a": first[0], "b": changed}
    assert store.count_points(make_source(), "main") == 3


def test_of_two_states_of_a_document_the_last_counts(store: StateStore) -> None:
    store.commit_documents(make_source(), "main", [make_document("b")], [])
    twice = [make_document("a", points=2), make_document("a", points=5)]

    store.commit_documents(make_source(), "main", twice, ["a", "b"])

    assert store.list_documents(make_source(), "main") == {"a": twice[1]}


def test_versions_tell_what_a_document_is_without_its_points(store: StateStore) -> None:
    whole = make_document("a", points=3, context="a/b", vectors=b"\x00\xff")
    broken = make_document("é", points=0, content_hash="d" * 40, error="parser failed")
    store.commit_documents(make_source(), "main", [whole, broken], [])

    assert store.list_document_versions(make_source(), "main") == {
        "a": DocumentVersion("a" * 40, "a/b", "", 3),
        "é": DocumentVersion("d" * 40, "", "parser failed", 0),
    }
    assert store.list_document_versions(make_source(), "next") == {}
    assert store.list_document_versions(make_source(2), "main") == {}


def test_some_documents_are_read_and_the_rest_is_not(store: StateStore) -> None:
    documents = [make_document(str(n), points=n % 3, vectors=bytes(n % 7)) for n in range(1_300)]
    store.commit_documents(make_source(), "main", documents, [])
    store.commit_documents(make_source(), "next", [make_document("only here")], [])
    wanted = documents[3:1_257]

    names = [d.document_id for d in wanted]
    found = store.read_documents(make_source(), "main", {*names, "only here", "nowhere"})

    assert found == {d.document_id: d for d in wanted}
    assert store.read_documents(make_source(), "main", []) == {}
    assert store.read_documents(make_source(2), "main", names) == {}


def test_vectors_of_a_branch_are_streamed(store: StateStore) -> None:
    documents = [make_document(str(n), vectors=n.to_bytes(2)) for n in range(1_200)]
    documents.append(make_document("unknown"))
    store.commit_documents(make_source(), "main", documents, [])
    store.commit_documents(make_source(), "next", [make_document("only here")], [])

    found = list(store.iterate_document_vectors(make_source(), "main"))

    assert len(found) == len(documents)
    assert dict(found) == {d.document_id: d.vectors for d in documents}
    assert list(store.iterate_document_vectors(make_source(2), "main")) == []


def test_writing_while_vectors_are_streamed_and_giving_up_half_way(store: StateStore) -> None:
    documents = [make_document(str(n)) for n in range(1_200)]
    store.commit_documents(make_source(), "main", documents, [])

    stream = store.iterate_document_vectors(make_source(), "main")
    next(stream)
    store.commit_documents(make_source(), "main", [make_document("new")], ["0"])
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    assert len(store.list_document_versions(make_source(), "main")) == 1_200


def test_committing_nothing_leaves_no_branch(store: StateStore) -> None:
    store.commit_documents(make_source(), "main", [], [])

    assert store.list_branch_names(make_source()) == []


def test_a_branch_comes_back_as_it_went_in(store: StateStore) -> None:
    store.commit_branch(make_source(), make_branch("next"))
    store.commit_branch(make_source(), make_branch("main", head_sha="d" * 40))
    store.commit_branch(make_source(), make_branch("main", head_sha="e" * 40, pushed_at=""))

    assert store.list_branches(make_source()) == [
        make_branch("main", head_sha="e" * 40, pushed_at=""),
        make_branch("next"),
    ]
    assert store.list_branches(make_source(2)) == []


def test_branches_of_all_sources(store: StateStore) -> None:
    assert store.list_all_branches() == {}
    rows = [(1, make_branch("next")), (1, make_branch("main")), (2, make_branch("dev"))]
    for number, branch in rows:
        store.commit_branch(make_source(number), branch)
    store.commit_branch(make_source(3), make_branch())
    store.remove_branch(make_source(3), "main")

    assert store.list_all_branches() == {
        make_source(1): [make_branch("main"), make_branch("next")],
        make_source(2): [make_branch("dev")],
    }


def test_heads_of_all_sources(store: StateStore) -> None:
    store.commit_branch(make_source(1), make_branch("main", head_sha="1m"))
    store.commit_branch(make_source(1), make_branch("next", head_sha="1n"))
    store.commit_branch(make_source(2), make_branch("main", head_sha="2m"))

    assert store.list_heads() == {
        make_source(1): {"main": "1m", "next": "1n"},
        make_source(2): {"main": "2m"},
    }


def test_branch_names_include_unfinished_ones(store: StateStore) -> None:
    store.commit_documents(make_source(), "begun", [make_document("a"), make_document("b")], [])
    store.commit_branch(make_source(), make_branch("empty"))
    store.commit_documents(make_source(), "done", [make_document("a")], [])
    store.commit_branch(make_source(), make_branch("done"))

    assert store.list_branch_names(make_source()) == ["begun", "done", "empty"]


def test_names_are_ordered_by_code_point(store: StateStore) -> None:
    for name in ("b", "A", "a", "_", "B"):
        store.commit_branch(make_source(), make_branch(name))

    assert [b.branch for b in store.list_branches(make_source())] == ["A", "B", "_", "a", "b"]
    assert store.list_branch_names(make_source()) == ["A", "B", "_", "a", "b"]


def test_removing_a_branch_leaves_the_others(store: StateStore) -> None:
    for branch in ("main", "next"):
        store.commit_documents(make_source(), branch, [make_document("a")], [])
        store.commit_branch(make_source(), make_branch(branch))

    store.remove_branch(make_source(), "next")
    store.remove_branch(make_source(), "never there")

    assert store.list_branch_names(make_source()) == ["main"]
    assert list(store.list_documents(make_source(), "main")) == ["a"]
    assert store.list_documents(make_source(), "next") == {}


def test_relations_come_back_as_they_went_in(store: StateStore) -> None:
    relations = make_relations(["a.py", "deep/ü\\xff.py", "z.py"])
    store.set_relations(make_source(), "main", make_relations(["old.py"]))
    store.set_relations(make_source(), "main", relations)
    found = store.find_relations(make_source(), "main")
    assert found is not None
    assert found.paths == relations.paths
    assert found.find_neighbours("a.py") == {
        "deep/ü\\xff.py": Neighbour(2),
        "z.py": Neighbour(0, 3, 1.5),
    }
    assert [found.get_activity(path) for path in found.paths] == [0.5, 1.5, 2.5]
    assert found.said.offsets.tolist() == [0, 2, 2, 2]
    assert found.said.term_ids.tolist() == [7, 2**32 - 1]
    assert found.said.counts.tolist() == [1, 70_000]
    assert store.find_relations(make_source(), "other") is None
    assert store.find_relations(make_source(8), "main") is None


def test_relations_go_with_their_branch_and_their_source(store: StateStore) -> None:
    for branch in ("main", "next", "old"):
        store.set_relations(make_source(), branch, make_relations(["a.py"]))
    store.remove_branch(make_source(), "next")
    assert store.find_relations(make_source(), "next") is None
    assert store.find_relations(make_source(), "main") is not None
    store.forget_source(make_source())
    assert store.find_relations(make_source(), "main") is None
    assert store.find_relations(make_source(), "old") is None


def test_points_are_those_of_documents_and_finished_branches(store: StateStore) -> None:
    store.commit_documents(
        make_source(), "main", [make_document("a", 2), make_document("b", 3)], []
    )
    store.commit_branch(make_source(), make_branch("main", point_count=99))
    store.commit_documents(make_source(), "begun", [make_document("a", 4)], [])

    assert store.count_points(make_source(), "main") == 6
    assert store.count_points(make_source(), "begun") == 4
    assert store.count_points(make_source()) == 10
    assert store.count_points(make_source(), "none") == 0
    assert store.count_points(make_source(2)) == 0


# -- when to ask hosts


def test_schedules_come_back_as_they_went_in(store: StateStore) -> None:
    schedules = {
        make_source(1): CheckSchedule(NOON_ELSEWHERE, 3),
        make_source(2): CheckSchedule(),
    }

    store.set_check_schedules({make_source(1): CheckSchedule(NOON + timedelta(hours=1), 9)})
    store.set_check_schedules(schedules)
    store.set_check_schedules({})

    assert store.list_check_schedules() == schedules


def test_a_bump_leaves_the_schedule_and_the_newest_counts(store: StateStore) -> None:
    store.set_check_schedules({make_source(1): CheckSchedule(NOON, 2)})
    for minutes in (1, 2):
        store.bump_source(make_source(1), NOON + timedelta(minutes=minutes))
    store.bump_source(make_source(2), NOON_ELSEWHERE)

    assert store.list_check_schedules() == {
        make_source(1): CheckSchedule(NOON, 2, NOON + timedelta(minutes=2)),
        make_source(2): CheckSchedule(bumped_at=NOON),
    }


def test_a_webhook_that_comes_again_bumps_nothing(store: StateStore) -> None:
    assert store.bump_source(make_source(1), NOON, delivery_id="d-1")
    store.set_check_schedules({make_source(1): CheckSchedule(bumped_at=NOON)})
    later = NOON + timedelta(days=1)
    assert not store.bump_source(make_source(1), later, delivery_id="d-1")
    assert store.list_check_schedules()[make_source(1)].bumped_at is None
    assert store.bump_source(make_source(1), later, delivery_id="d-2")
    assert store.bump_source(make_source(1), NOON + timedelta(days=4), delivery_id="d-1")


def test_of_many_deliveries_of_one_webhook_one_counts(store: StateStore) -> None:
    def bump(_number: int) -> bool:
        return store.bump_source(make_source(1), NOON, delivery_id="d-1")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(bump, range(16))) == 1


def test_a_line_is_found_by_its_run(store: StateStore) -> None:
    store.record_sync(make_sync("run-1"))
    assert store.find_sync("run-1") == make_sync("run-1")
    assert store.find_sync("run-2") is None


def test_ignore_patterns_change_alone(store: StateStore) -> None:
    store.set_ignore_patterns(make_source(1), ["*.pyc"])
    assert store.find_source(make_source(1)) is None
    row = make_repository(1)
    store.save_repository(row)
    store.set_ignore_patterns(row.source, ["*.pyc", "docs/"])
    assert store.find_source(row.source) == replace(row, ignore_patterns=("*.pyc", "docs/"))
    store.set_ignore_patterns(row.source, [])
    assert store.find_source(row.source) == row


def test_a_bump_that_was_answered_is_cleared(store: StateStore) -> None:
    store.bump_source(make_source(), NOON)
    read = store.list_check_schedules()[make_source()]

    store.set_check_schedules({make_source(): replace(read, next_check_at=NOON)})

    assert store.list_check_schedules() == {make_source(): CheckSchedule(NOON)}


@pytest.mark.parametrize("minutes", [-1, 1], ids=["a clock that is behind", "later"])
def test_a_bump_that_arrived_meanwhile_stays(store: StateStore, minutes: int) -> None:
    store.bump_source(make_source(), NOON)
    read = store.list_check_schedules()[make_source()]
    later = NOON + timedelta(minutes=minutes)

    store.bump_source(make_source(), later)
    store.set_check_schedules({make_source(): replace(read, next_check_at=NOON, failures=1)})

    assert store.list_check_schedules() == {make_source(): CheckSchedule(NOON, 1, later)}


def test_a_bump_that_nobody_knew_of_stays(store: StateStore) -> None:
    store.bump_source(make_source(1), NOON)

    store.set_check_schedules({make_source(1): CheckSchedule(NOON)})

    assert store.list_check_schedules() == {make_source(1): CheckSchedule(NOON, 0, NOON)}


def test_no_schedule_brings_a_bump_with_it(store: StateStore) -> None:
    store.set_check_schedules({make_source(): CheckSchedule(None, 0, NOON)})

    assert store.list_check_schedules() == {make_source(): CheckSchedule()}


# -- progress


def test_progress_is_replaced_and_removed(store: StateStore) -> None:
    first = SyncProgress("run", "pallets/flask", "parse", 1, 0, "src/é.py", NOON)
    second = replace(first, done=7, total=9, current="", updated_at=NOON_ELSEWHERE, percentage=28)
    other = replace(first, run_id="other")
    assert store.find_progress("run") is None

    for progress in (first, second, other):
        store.set_progress(progress)

    assert store.find_progress("run") == second
    assert store.list_progress() == [other, second]
    store.remove_progress("run")
    store.remove_progress("run")
    assert store.find_progress("run") is None
    assert store.find_progress("other") == other
    assert store.list_progress() == [other]


# -- history


def test_history_lists_the_newest_first(store: StateStore) -> None:
    for minutes in (1, 3, 2):
        store.record_sync(make_sync(f"run {minutes}", minutes))
    store.record_sync(make_sync("other", 4, partition_key="a/b", source=None))

    assert [s.run_id for s in store.list_syncs()] == ["other", "run 3", "run 2", "run 1"]
    assert [s.run_id for s in store.list_syncs("pallets/flask", limit=2)] == ["run 3", "run 2"]
    assert store.list_syncs("a/b") == [make_sync("other", 4, partition_key="a/b", source=None)]


def test_a_renamed_repository_keeps_its_history(store: StateStore) -> None:
    store.record_sync(make_sync("before", 1))
    store.record_sync(make_sync("another", 2, source=make_source(2), partition_key="a/b"))
    store.save_repository(make_repository(name="pallets/bottle"))
    store.record_sync(make_sync("after", 3, partition_key="pallets/bottle"))

    assert [s.run_id for s in store.list_syncs("pallets/bottle")] == ["after", "before"]
    assert [s.run_id for s in store.list_syncs("pallets/flask")] == ["before"]


def test_newest_lines_of_all_tracked_sources(store: StateStore) -> None:
    assert store.list_newest_syncs() == {}
    for number, name in ((1, "pallets/flask"), (2, "pallets/bottle"), (3, "pallets/click")):
        store.save_repository(make_repository(number, name))
    store.save_repository(make_repository(4, "pallets/gone"))
    store.untrack_repository("pallets/gone", NOON)
    for minutes in (1, 3, 2):
        store.record_sync(make_sync(f"flask {minutes}", minutes))
    renamed = make_sync("bottle", 4, source=make_source(2), partition_key="another/name")
    store.record_sync(renamed)
    store.record_sync(make_sync("gone", 5, source=make_source(4), partition_key="pallets/gone"))
    store.record_sync(make_sync("unknown", 6, source=None, partition_key="a/b"))
    for run_id in ("click b", "click a"):
        store.record_sync(make_sync(run_id, 7, source=make_source(3)))

    assert store.list_newest_syncs() == {
        make_source(1): make_sync("flask 3", 3),
        make_source(2): renamed,
        make_source(3): make_sync("click a", 7, source=make_source(3)),
    }


def test_a_run_has_one_line(store: StateStore) -> None:
    store.record_sync(make_sync("run"))
    failed = make_sync("run", 1, status=SyncStatus.FAILED, error="the clone took too long")

    store.record_sync(failed)

    assert store.list_syncs() == [failed]


# -- times


def test_times_come_back_aware_and_equal(store: StateStore) -> None:
    store.save_repository(make_repository(tracked_at=NOON_ELSEWHERE))
    store.untrack_repository("pallets/flask", NOON_ELSEWHERE)
    store.commit_branch(make_source(), make_branch(indexed_at=NOON_ELSEWHERE))
    store.record_sync(replace(make_sync("run"), started_at=NOON_ELSEWHERE))

    row = store.find_source(make_source())
    assert row is not None
    moments = [
        row.tracked_at,
        row.untracked_at,
        store.list_branches(make_source())[0].indexed_at,
        store.list_syncs()[0].started_at,
    ]
    assert moments == [NOON] * 4
    assert all(moment is not None and moment.tzinfo is not None for moment in moments)


def test_naive_times_are_refused(store: StateStore) -> None:
    naive = NOON.replace(tzinfo=None)
    store.save_repository(make_repository())

    with pytest.raises(ValueError, match="timezone"):
        store.untrack_repository("pallets/flask", naive)
    with pytest.raises(ValueError, match="timezone"):
        store.save_repository(make_repository(tracked_at=naive))
    with pytest.raises(ValueError, match="timezone"):
        store.commit_branch(make_source(), make_branch(indexed_at=naive))
    with pytest.raises(ValueError, match="timezone"):
        store.record_sync(replace(make_sync("run"), started_at=naive))
    with pytest.raises(ValueError, match="timezone"):
        store.set_check_schedules({make_source(): CheckSchedule(naive)})
    with pytest.raises(ValueError, match="timezone"):
        store.bump_source(make_source(), naive)
    with pytest.raises(ValueError, match="timezone"):
        store.set_progress(SyncProgress("run", "a/b", "clone", 0, 0, "", naive))

    assert store.list_check_schedules() == {}
    assert store.list_repositories() == [make_repository()]


# -- locks


def test_a_lock_is_refused_at_once_while_it_is_held(store: StateStore) -> None:
    with store.lock_source("pallets/flask"):
        with (
            pytest.raises(RepositoryBusyError, match="pallets/flask"),
            store.lock_source("pallets/flask"),
        ):
            pytest.fail("held twice")
        with store.lock_source("pallets/Flask"):
            pass

    with store.lock_source("pallets/flask"):
        pass


def test_a_lock_ends_with_an_error_inside(store: StateStore) -> None:
    with pytest.raises(KeyError), store.lock_source("pallets/flask"):
        raise KeyError

    with store.lock_source("pallets/flask"):
        pass
