"""Verify finds each way in which tree, state and store can disagree; repair mends that alone."""

from collections.abc import Callable, Collection, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion_pipeline.core.points import Point, PointFilter, make_point_id
from ingestion_pipeline.core.state import DocumentState, IndexedBranch
from ingestion_pipeline.indexing.verify import (
    RepairReport,
    repair_repository,
    verify_counts,
    verify_repository,
)
from ingestion_pipeline.indexing.verify_report import (
    MAX_EXAMPLES,
    MISSING,
    ORPHAN,
    WRONG,
    Fault,
    VerifyReport,
)
from ingestion_pipeline.points.write import PENDING, branch_filter
from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.indexing.world import (
    COLLECTION,
    NEVER,
    SPEC,
    Index,
    find_differences,
)

# Eight points: 2 + 3 + 2, and the branch's own.
FILES: Files = {
    "a.py": "def one():\n    two()\n",
    "b.py": "def two():\n    pass\n\n\ndef three():\n    pass\n",
    "lib/c.go": "package lib\n\nfunc Four() {}\n",
}


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "origin.git", FILES)


@pytest.fixture
def own_index(tmp_path: Path, git: GitRepository) -> Index:
    """For a test that pushes, or does away with the mirror."""
    made = Index(tmp_path / "index", git)
    made.sync()
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Two branches, of which only one is tracked in the end."""
    folder = tmp_path_factory.mktemp("verify")
    git = GitRepository(folder / "origin.git", FILES)
    git.create_branch("dev")
    made = Index(folder / "index", git)
    made.track("dev", "main")
    made.sync()
    made.track("main")
    return made


@pytest.fixture
def index(template: Index) -> Index:
    made = copy_index(template)
    made.state.remove_branch(made.row.source, "dev")
    made.store.delete_matching(COLLECTION, branch_filter(made.row.source, "dev"))
    return made


def copy_index(index: Index) -> Index:
    """Return an index with state and store of its own; git, mirror and caches are shared."""
    made, source, state = copy(index), index.row.source, index.state
    made.store = FakePointStore(
        [SPEC], {COLLECTION: [*index.store.collections[COLLECTION].values()]}
    )
    made.state = FakeStateStore(
        [index.row],
        branches={source: state.list_branches(source)},
        documents={
            (source, branch): [*state.list_documents(source, branch).values()]
            for branch in state.list_branch_names(source)
        },
    )
    return made


def verify(index: Index) -> VerifyReport:
    source = index.host.get_fetch_source(index.row.hosted)
    return verify_repository(index.row, index.mirror, source, index.make_target())


def repair(index: Index, plan: CrashPlan = NEVER) -> RepairReport:
    source = index.host.get_fetch_source(index.row.hosted)
    return repair_repository(index.row, index.mirror, source, index.make_target(plan))


def count_faults(report: VerifyReport) -> dict[str, dict[Fault, int]]:
    return {branch.branch: branch.counts for branch in report.branches if branch.counts}


def get_id(index: Index, path: str, symbol: str = "", branch: str = "main") -> str:
    return make_point_id(index.row.source, branch, path, symbol)


def get_point(index: Index, path: str, symbol: str = "") -> Point:
    return index.store.collections[COLLECTION][get_id(index, path, symbol)]


def put(index: Index, point: Point, **payload: object) -> None:
    index.store.upsert(COLLECTION, [replace(point, payload={**point.payload, **payload})])


def get_branch(index: Index) -> IndexedBranch:
    [row] = index.state.list_branches(index.row.source)
    return row


def get_document(index: Index, path: str) -> DocumentState:
    return index.state.list_documents(index.row.source, "main")[path]


def set_document(index: Index, document: DocumentState) -> None:
    index.state.commit_documents(index.row.source, "main", [document], [])


def ids_of(index: Index, *paths: str) -> set[str]:
    points = index.store.collections[COLLECTION].values()
    return {point.id for point in points if point.payload["path"] in paths}


# -- what can go wrong: each damages the index and returns the ids that have to be written again


def lose_a_point(index: Index) -> Collection[str]:
    index.store.delete(COLLECTION, [get_id(index, "b.py", "three")])
    return {get_id(index, "b.py", "three")}


def lose_a_files_points(index: Index) -> Collection[str]:
    lost = ids_of(index, "b.py", "a.py")
    index.store.delete(COLLECTION, sorted(lost))
    return lost


def lose_the_own_point(index: Index) -> Collection[str]:
    index.store.delete(COLLECTION, [get_id(index, "")])
    return ()


def age_the_own_point(index: Index) -> Collection[str]:
    put(index, get_point(index, ""), commit_sha="0" * 40)
    return ()


def keep_a_point_of_a_gone_file(index: Index) -> Collection[str]:
    old = replace(get_point(index, "a.py"), id=get_id(index, "gone.py"))
    put(index, old, path="gone.py")
    return ()


def keep_a_point_of_a_gone_symbol(index: Index) -> Collection[str]:
    put(index, replace(get_point(index, "b.py", "two"), id=get_id(index, "b.py", "x")), symbol="x")
    return ()


def age_a_point(index: Index) -> Collection[str]:
    put(index, get_point(index, "b.py", "two"), blob_sha="0" * 40)
    return {get_id(index, "b.py", "two")}


def swap_a_points_path(index: Index) -> Collection[str]:
    put(
        index,
        get_point(index, "a.py"),
        path="b.py",
        blob_sha=get_document(index, "b.py").content_hash,
    )
    return {get_id(index, "a.py")}


def forget_a_document(index: Index) -> Collection[str]:
    index.state.commit_documents(index.row.source, "main", [], ["b.py"])
    return ids_of(index, "b.py")


def remember_a_gone_document(index: Index) -> Collection[str]:
    said = {get_id(index, "gone.py"): "hash"}
    set_document(index, DocumentState("gone.py", "0" * 40, said))
    return ()


def age_a_document(index: Index) -> Collection[str]:
    set_document(index, replace(get_document(index, "b.py"), content_hash="0" * 40))
    return ids_of(index, "b.py")


def rename_a_document(index: Index) -> Collection[str]:
    set_document(index, replace(get_document(index, "b.py"), context="of another name"))
    return ()


def leave_a_write_unfinished(index: Index) -> Collection[str]:
    document = get_document(index, "b.py")
    said = dict.fromkeys(document.points, PENDING)
    set_document(index, DocumentState("b.py", PENDING, said))
    return ids_of(index, "b.py")


def leave_the_branch_unfinished(index: Index) -> Collection[str]:
    index.state.commit_branch(index.row.source, replace(get_branch(index), head_sha=""))
    return ()


def keep_points_of_an_unknown_branch(index: Index) -> Collection[str]:
    for path in ("a.py", "b.py"):
        point_id = get_id(index, path, branch="old")
        put(index, replace(get_point(index, path), id=point_id), branch="old")
    return ()


DAMAGES: dict[Callable[[Index], Collection[str]], dict[str, dict[Fault, int]]] = {
    lose_a_point: {"main": {Fault.MISSING_POINT: 1}},
    lose_a_files_points: {"main": {Fault.MISSING_POINT: 5}},
    lose_the_own_point: {"main": {Fault.MISSING_POINT: 1}},
    age_the_own_point: {"main": {Fault.WRONG_POINT: 1}},
    keep_a_point_of_a_gone_file: {"main": {Fault.ORPHAN_POINT: 1}},
    keep_a_point_of_a_gone_symbol: {"main": {Fault.ORPHAN_POINT: 1}},
    age_a_point: {"main": {Fault.WRONG_POINT: 1}},
    swap_a_points_path: {"main": {Fault.WRONG_POINT: 1}},
    forget_a_document: {"main": {Fault.UNKNOWN_FILE: 1, Fault.ORPHAN_POINT: 3}},
    remember_a_gone_document: {"main": {Fault.GONE_FILE: 1, Fault.MISSING_POINT: 1}},
    age_a_document: {"main": {Fault.OTHER_CONTENT: 1, Fault.WRONG_POINT: 3}},
    rename_a_document: {"main": {Fault.OTHER_CONTEXT: 1}},
    leave_a_write_unfinished: {"main": {Fault.PENDING: 1}},
    leave_the_branch_unfinished: {"main": {Fault.UNFINISHED: 1}},
    keep_points_of_an_unknown_branch: {"old": {Fault.UNTRACKED_BRANCH: 2}},
}
EACH_DAMAGE = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


def test_an_index_that_is_true_has_nothing_wrong(index: Index) -> None:
    before = index.store.write_count
    report = verify(index)
    assert report.is_true
    assert report.describe() == []
    assert report.checked == 8
    assert verify_counts(index.row, index.make_target()) == report
    repaired = repair(index)
    assert repaired == RepairReport(report, 0, 0, needs_sync=False)
    assert index.store.write_count == before


@EACH_DAMAGE
def test_every_disagreement_is_found_and_said(
    index: Index, damage: Callable[[Index], Collection[str]]
) -> None:
    damage(index)
    points, before = index.points(), index.store.write_count
    report = verify(index)
    assert count_faults(report) == DAMAGES[damage]
    kinds = [fault for counts in DAMAGES[damage].values() for fault in counts]
    assert len(report.describe()) == len(kinds)
    assert all(f" {fault}" in line for fault, line in zip(kinds, report.describe(), strict=True))
    assert not report.is_true
    assert (index.points(), index.store.write_count) == (points, before), "nothing was written"


@EACH_DAMAGE
def test_repair_and_a_sync_mend_it_and_rewrite_nothing_else(
    index: Index, damage: Callable[[Index], Collection[str]]
) -> None:
    expected = index.points()
    stamps = read_stamps(index)
    wanted = set(damage(index))
    written = len(index.store.upserted_ids)
    repaired = repair(index)
    assert len(index.store.upserted_ids) == written, "repair itself writes no point"
    if repaired.needs_sync:
        index.sync()
    assert count_faults(verify(index)) == {}
    assert index.points() == expected
    again = set(index.store.upserted_ids[written:])
    assert again == (wanted | {get_id(index, "")} if repaired.needs_sync else set())
    left_alone = {point_id: stamp for point_id, stamp in stamps.items() if point_id not in again}
    assert left_alone.items() <= read_stamps(index).items()


def read_stamps(index: Index) -> dict[str, object]:
    points = index.store.collections[COLLECTION]
    return {point_id: point.payload["last_indexed_at"] for point_id, point in points.items()}


def test_deleting_what_is_too_much_needs_no_sync(index: Index) -> None:
    keep_a_point_of_a_gone_file(index)
    keep_points_of_an_unknown_branch(index)
    repaired = repair(index)
    assert (repaired.points_deleted, repaired.documents_marked) == (3, 0)
    assert not repaired.needs_sync
    assert verify(index).is_true
    assert get_branch(index).head_sha


def test_a_file_that_the_state_lost_answers_until_it_is_written_again(index: Index) -> None:
    forget_a_document(index)
    repaired = repair(index)
    assert repaired.points_deleted == 0
    assert len(ids_of(index, "b.py")) == 3
    index.sync()
    assert verify(index).is_true


def test_a_lost_document_leaves_no_orphan_of_a_symbol_that_went(index: Index) -> None:
    """The sync writes over what the tree has; what is left of the file's points it sweeps."""
    keep_a_point_of_a_gone_symbol(index)
    forget_a_document(index)
    repair(index)
    index.sync()
    assert verify(index).is_true
    assert len(index.points()) == 8


def test_a_branch_that_is_not_tracked_any_more_goes(own_index: Index, git: GitRepository) -> None:
    main = own_index.points()
    git.create_branch("dev")
    own_index.track("dev", "main")
    own_index.sync()
    assert verify(own_index).is_true
    own_index.track("main")
    assert count_faults(verify(own_index)) == {"dev": {Fault.UNTRACKED_BRANCH: 8}}
    assert repair(own_index).points_deleted == 8
    assert own_index.points() == main
    assert own_index.state.list_branch_names(own_index.row.source) == ["main"]
    assert verify(own_index).is_true


def test_an_untracked_branch_in_another_collection_goes_with_its_points(
    own_index: Index, git: GitRepository
) -> None:
    git.create_branch("dev")
    own_index.track("dev", "main")
    own_index.sync()
    own_index.track("main")
    other = replace(SPEC, name="other_test")
    own_index.store.ensure_collection(other)
    [dev, _] = own_index.state.list_branches(own_index.row.source)
    moved = [
        p for p in own_index.store.collections[COLLECTION].values() if p.payload["branch"] == "dev"
    ]
    own_index.store.upsert(other.name, moved)
    own_index.store.delete(COLLECTION, [point.id for point in moved])
    own_index.state.commit_branch(own_index.row.source, replace(dev, collection=other.name))
    assert count_faults(verify(own_index)) == {"dev": {Fault.UNTRACKED_BRANCH: 8}}
    repair(own_index)
    assert own_index.store.collections[other.name] == {}
    assert verify(own_index).is_true


def test_a_branch_in_another_collection_is_moved_by_the_sync_alone(index: Index) -> None:
    index.store.ensure_collection(replace(SPEC, name="other_test"))
    expected = index.points()
    target = replace(index.make_target(), collection="other_test")
    source = index.host.get_fetch_source(index.row.hosted)
    report = verify_repository(index.row, index.mirror, source, target)
    assert count_faults(report) == {"main": {Fault.OTHER_COLLECTION: 8}}
    assert report.checked == 8
    repaired = repair_repository(index.row, index.mirror, source, target)
    assert repaired.needs_sync
    assert repaired.documents_marked == 0
    assert index.points() == expected, "it answers where it is until the sync"


def test_points_of_the_source_in_a_collection_that_no_row_names_are_anothers(index: Index) -> None:
    index.store.ensure_collection(replace(SPEC, name="staging_test"))
    theirs = [*index.store.collections[COLLECTION].values()]
    index.store.upsert("staging_test", theirs)
    assert verify(index).is_true
    repair(index)
    assert len(index.store.collections["staging_test"]) == 8


def test_a_branch_that_was_never_indexed_is_no_fault(index: Index) -> None:
    index.track("dev", "main")
    report = verify(index)
    assert report.is_true
    assert report.describe() == ["dev: it was never indexed; the next sync does that"]


def test_a_lost_state_is_told_and_left_to_the_sync(index: Index) -> None:
    for branch in index.state.list_branch_names(index.row.source):
        index.state.remove_branch(index.row.source, branch)
    assert count_faults(verify(index)) == {"main": {Fault.ORPHAN_POINT: 8}}
    repaired = repair(index)
    assert (repaired.points_deleted, repaired.needs_sync) == (0, True)
    index.sync()
    assert verify(index).is_true


def test_the_mirror_is_fetched_anew_when_it_is_gone(own_index: Index) -> None:
    forget_a_document(own_index)
    own_index.mirror.remove()
    assert count_faults(verify(own_index)) == DAMAGES[forget_a_document]


def test_a_commit_that_nobody_has_any_more_leaves_the_rest_to_be_compared(
    own_index: Index, git: GitRepository
) -> None:
    """The mirror is lost and the branch went on by force: its old tree is not to be had."""
    git.commit({"a.py": "def one():\n    return 1\n"}, orphan=True)
    own_index.mirror.remove()
    lose_a_point(own_index)
    report = verify(own_index)
    assert count_faults(report) == DAMAGES[lose_a_point]
    [_, note] = report.describe()
    assert "not compared with the tree" in note
    repair(own_index)
    own_index.sync()
    assert verify(own_index).is_true
    assert ids_of(own_index, "b.py") == set()


def test_a_branch_that_is_gone_at_the_host_keeps_its_points(
    own_index: Index, git: GitRepository
) -> None:
    git.commit({"d.rb": "def five\nend\n"}, branch="dev")
    own_index.track("dev", "main")
    own_index.sync()
    git.delete_branch("dev")
    own_index.sync()
    assert verify(own_index).describe() == []
    own_index.mirror.remove()
    report = verify(own_index)
    assert report.is_true
    [note] = report.describe()
    assert note.startswith("dev: its files were not compared")
    assert not repair(own_index).needs_sync


def test_asking_about_a_commit_does_not_damage_the_mirror(
    own_index: Index, git: GitRepository
) -> None:
    """A mirror that is marked as damaged is fetched from nothing by the next sync."""
    own_index.state.commit_branch(
        own_index.row.source, replace(get_branch(own_index), head_sha="1" * 40)
    )
    assert "1" * 12 in verify(own_index).describe()[-1]
    assert own_index.mirror.list_tree(git.head("main"))


def test_the_examples_are_few_and_the_counts_whole(tmp_path: Path) -> None:
    count = MAX_EXAMPLES + 7
    files: Files = {f"f{number:03}.py": f"x = {number}\n" for number in range(count)}
    index = Index(tmp_path / "index", GitRepository(tmp_path / "origin.git", files))
    index.sync()
    index.store.delete_matching(COLLECTION, PointFilter({"kind": "file"}))
    report = verify(index)
    assert count_faults(report) == {"main": {Fault.MISSING_POINT: count}}
    [line] = report.describe()
    assert line.startswith(f"main: {count} points of the state are not in the store: f0")
    assert line.endswith(", …")
    assert line.count("(1 of 1)") == MAX_EXAMPLES


def test_counts_alone_tell_what_counts_can_tell(index: Index) -> None:
    target = index.make_target()
    lose_a_point(index)
    assert count_faults(verify_counts(index.row, target)) == {"main": {Fault.MISSING_POINT: 1}}
    keep_a_point_of_a_gone_file(index)
    assert count_faults(verify_counts(index.row, target)) == {}, "one for another is not seen"
    keep_a_point_of_a_gone_symbol(index)
    assert count_faults(verify_counts(index.row, target)) == {"main": {Fault.ORPHAN_POINT: 1}}
    age_the_own_point(index)
    keep_points_of_an_unknown_branch(index)
    assert count_faults(verify_counts(index.row, target)) == {
        "main": {Fault.ORPHAN_POINT: 1, Fault.WRONG_POINT: 1},
        "old": {Fault.UNTRACKED_BRANCH: 2},
    }


def test_every_fault_has_one_column() -> None:
    assert sorted([*MISSING, *ORPHAN, *WRONG]) == sorted(Fault)


# -- crashes


def break_index(template: Index, *, lose_state: bool) -> tuple[Index, dict[str, object]]:
    """Return an index with much wrong at once, besides an untracked ``dev``, and what is right."""
    index = copy_index(template)
    expected = {i: p for i, p in index.points().items() if p[0]["branch"] == "main"}
    keep_a_point_of_a_gone_file(index)
    keep_a_point_of_a_gone_symbol(index)
    keep_points_of_an_unknown_branch(index)
    lose_a_point(index)
    # More than the orphans: in equal number a sync would not notice either.
    index.store.delete(COLLECTION, sorted(ids_of(index, "lib/c.go")))
    age_a_point(index)
    if lose_state:
        index.state.commit_documents(index.row.source, "main", [], ["a.py"])
    return index, dict(expected)


def crash_at_every_write(
    template: Index, *, lose_state: bool
) -> Iterator[tuple[Index, dict[str, object]]]:
    """Yield the same broken index after a repair of it that died, each one write later."""
    for at_write in range(100):
        index, expected = break_index(template, lose_state=lose_state)
        plan = CrashPlan(at_write, before=True)
        try:
            repair(index, plan)
        except Crash:
            yield index, expected
        else:
            assert plan.writes == at_write == 6, "orphans, head, marks; dev twice; the unknown one"
            return
    pytest.fail("a repair of three files does not take a hundred writes")


@pytest.mark.parametrize("syncs_first", [False, True])
def test_a_repair_that_dies_at_any_write_is_ended_by_the_next(
    template: Index, syncs_first: bool
) -> None:
    for index, expected in crash_at_every_write(template, lose_state=True):
        if syncs_first:
            index.sync()
        if repair(index).needs_sync:
            index.sync()
        assert find_differences(index.points(), expected) == []
        assert verify(index).is_true


def test_a_sync_after_a_repair_that_died_leaves_nothing_missing_and_no_orphan(
    template: Index,
) -> None:
    """Of what a point says wrongly a sync alone knows only once it is marked."""
    for index, expected in crash_at_every_write(template, lose_state=False):
        index.sync()
        assert index.points().keys() == expected.keys()
        assert verify(index).is_true, "points that are missing are noticed by their number"
