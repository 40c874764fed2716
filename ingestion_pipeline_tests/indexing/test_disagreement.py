"""State and store that do not belong together, and runs that were overtaken by later ones."""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingestion_pipeline.core.errors import PermanentError
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.indexing.handles import EmbeddedRepository
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.indexing.upsert import upsert_points
from ingestion_pipeline.points.write import PENDING
from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.indexing.world import COLLECTION, SPEC, Index

OTHER = "other_test"
OLD: Files = {"a.py": "def one():\n    pass\n", "b.py": "def two():\n    pass\n"}
# As many points as OLD: one file is another, one says something else.
NEW: Files = {"a.py": "def one():\n    return 1\n", "b.py": None, "c.py": "def two():\n    pass\n"}


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "origin.git", OLD)


@pytest.fixture
def index(tmp_path: Path, git: GitRepository) -> Index:
    made = Index(tmp_path / "index", git)
    made.sync()
    return made


def expect(index: Index, name: str = "clean") -> Any:
    """Return what a clean index of the present tree holds."""
    shutil.rmtree(index.folder / name, ignore_errors=True)
    clean = Index(index.folder / name, index.git)
    clean.sync()
    return clean.points()


def prepare(index: Index) -> EmbeddedRepository:
    """Do the first three steps of a sync."""
    return index.prepare(index.make_target())


def finish(index: Index, embedded: EmbeddedRepository, collection: str = COLLECTION) -> None:
    target = replace(index.make_target(), collection=collection)
    upsert_points(embedded, target, index.clock, Progress("test"))


@pytest.mark.parametrize("pushed", [{}, {"d.rb": "def five\nend\n"}])
def test_an_older_store_with_as_many_points_is_noticed(
    index: Index, git: GitRepository, pushed: Files
) -> None:
    """From one store to another and back, or a store put back from a backup."""
    older = {COLLECTION: list(index.store.collections[COLLECTION].values())}
    git.commit(NEW)
    index.sync()
    assert index.store.count(COLLECTION, PointFilter({})) == len(older[COLLECTION])
    index.store = FakePointStore([SPEC], older)
    if pushed:
        git.commit(pushed)
    index.sync()
    assert index.points() == expect(index)


def test_a_rewrite_that_is_cut_short_trusts_nothing_that_it_did_not_write(
    index: Index, git: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion_pipeline.points.write.BATCH_POINTS", 1)
    older = {COLLECTION: list(index.store.collections[COLLECTION].values())}
    git.commit(NEW)
    index.sync()
    expected = expect(index)
    for at_write in range(100):
        index.store = FakePointStore([SPEC], older)
        try:
            index.sync(CrashPlan(at_write, before=True))
        except Crash:
            index.sync()
            assert index.points() == expected
        else:
            assert at_write > 6
            return
    pytest.fail("a sync of two files does not take a hundred writes")


def test_a_new_collection_does_not_need_the_old_one(index: Index) -> None:
    expected = expect(index)
    index.store = FakePointStore([replace(SPEC, name=OTHER)])
    finish(index, index.prepare(replace(index.make_target(), collection=OTHER)), OTHER)
    assert set(index.store.collections[OTHER]) == set(expected)


def test_a_new_branch_that_is_cut_short_is_known_and_can_be_removed(
    index: Index, git: GitRepository
) -> None:
    main = index.points()
    git.commit({"d.rb": "def five\nend\n"}, branch="dev", orphan=True)
    only_main = index.row
    index.row = replace(index.row, branches=("dev", "main"))
    with pytest.raises(Crash):
        index.sync(CrashPlan(3, before=True))
    assert len(index.points()) > len(main)
    assert index.state.list_heads()[index.row.source]["dev"] == ""
    index.row = only_main
    index.sync()
    assert index.points() == main


def test_a_run_taken_up_again_does_not_put_older_content_back(
    index: Index, git: GitRepository
) -> None:
    git.commit(NEW)
    overtaken = prepare(index)
    git.commit({"d.rb": "def five\nend\n"})
    index.sync()
    with pytest.raises(PermanentError, match="Another run has indexed main"):
        finish(index, overtaken)
    assert index.points() == expect(index)


@pytest.mark.parametrize("at_write", [2, 4, 6])
def test_a_run_taken_up_again_does_not_build_on_half_of_another(
    index: Index, git: GitRepository, monkeypatch: pytest.MonkeyPatch, at_write: int
) -> None:
    """The branch has no head then, as if the run had died itself."""
    monkeypatch.setattr("ingestion_pipeline.points.write.BATCH_POINTS", 1)
    head = git.commit(NEW)
    overtaken = prepare(index)
    git.commit({"c.py": "def two():\n    return 2\n", "d.rb": "def five\nend\n"})
    with pytest.raises(Crash):
        index.sync(CrashPlan(at_write, before=True))
    git.git("update-ref", "refs/heads/main", head)
    with suppress(PermanentError):
        finish(index, overtaken)
        assert index.points() == expect(index)
    index.sync()
    assert index.points() == expect(index)


def test_a_run_taken_up_again_under_other_settings_ends(index: Index, git: GitRepository) -> None:
    """What it parsed under the old limit is not what the new one asks for."""
    git.commit(NEW)
    overtaken = index.prepare(index.make_target(fingerprint="1 KiB"))
    with pytest.raises(PermanentError, match="settings or the version"):
        finish(index, overtaken)


def test_a_run_taken_up_again_keeps_a_branch_that_is_tracked_since(
    index: Index, git: GitRepository
) -> None:
    overtaken = prepare(index)
    git.commit({"d.rb": "def five\nend\n"}, branch="dev", orphan=True)
    index.row = replace(index.row, branches=("dev", "main"))
    index.state.save_repository(index.row)
    index.sync()
    both = index.points()
    finish(index, overtaken)
    assert index.points() == both


def test_the_point_of_a_branch_without_files_says_the_parser_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No document tells that it was made by an older one."""
    index = Index(tmp_path / "index", GitRepository(tmp_path / "origin.git", {"logo.png": "x"}))
    index.sync()
    monkeypatch.setattr("ingestion_pipeline.indexing.planning.get_parser_version", lambda: "newer")
    index.sync(fingerprint="newer")
    assert index.points() == expect(index)


def test_a_full_reindex_that_is_cut_short_leaves_nothing_pending(index: Index) -> None:
    """The next sync is of the same head, and of no other way to see that it has work to do."""
    expected = expect(index)
    for at_write in range(4):
        with pytest.raises(Crash):
            index.sync(CrashPlan(at_write, before=False), SyncOptions(full_reindex=True))
        index.sync()
        versions = index.state.list_document_versions(index.row.source, "main")
        assert PENDING not in {version.content_hash for version in versions.values()}
        assert index.points() == expected
