"""The tree against the state's rows: what is done, and nothing else."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.core.code import TreeEntry
from ingestion_pipeline.core.state import DocumentVersion
from ingestion_pipeline.indexing.changes import (
    ChangeCounts,
    Selection,
    compare_tree,
    find_vanished,
    load_changes,
    save_changes,
)

CONTEXT = "context"
PATHS = st.sampled_from(["a.py", "b.py", "c/d.py", "c/e.py", "f.go"])
SHAS = st.sampled_from(["1", "2", "3"])
TREES = st.dictionaries(PATHS, SHAS)


def select(tree: Mapping[str, str]) -> Selection:
    entries = [TreeEntry(path, "100644", sha, -1) for path, sha in tree.items()]
    return Selection(entries, {}, list(tree))


def know(tree: Mapping[str, str], context: str = CONTEXT) -> dict[str, DocumentVersion]:
    return {path: DocumentVersion(sha, context, "", 2) for path, sha in tree.items()}


@given(before=TREES, after=TREES)
def test_every_path_is_accounted_for_once(
    before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    changes = compare_tree(select(after), know(before), CONTEXT)
    counts = changes.count()
    assert set(changes.added) == after.keys() - before.keys()
    assert set(changes.modified) == {
        p for p in after.keys() & before.keys() if after[p] != before[p]
    }
    assert set(changes.deleted) == before.keys() - after.keys()
    assert counts.added + counts.modified + counts.moved + counts.unchanged == len(after)
    assert counts.deleted + counts.moved == len(changes.deleted)


@given(before=TREES, after=TREES)
def test_a_move_has_the_same_content_and_is_matched_once(
    before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    changes = compare_tree(select(after), know(before), CONTEXT)
    for new, old in changes.moved.items():
        assert after[new] == before[old]
        assert old not in after
        assert new not in before
        assert changes.predecessors[new].path == old
    assert len(set(changes.moved.values())) == len(changes.moved)


@given(tree=TREES)
def test_an_unchanged_tree_is_no_work(tree: Mapping[str, str]) -> None:
    assert compare_tree(select(tree), know(tree), CONTEXT).count() == ChangeCounts(
        unchanged=len(tree)
    )


@given(tree=TREES)
def test_another_context_writes_everything_again(tree: Mapping[str, str]) -> None:
    changes = compare_tree(select(tree), know(tree, "other"), CONTEXT)
    assert set(changes.modified) == set(tree)


def test_what_a_crash_left_and_what_the_parser_failed_at_is_looked_at_again() -> None:
    tree = {"a.py": "1", "b.py": "2", "c.py": "3"}
    known = know(tree)
    known["a.py"] = DocumentVersion("", "", "", 2)
    known["b.py"] = DocumentVersion("2", CONTEXT, "parser failed: TimeoutError", 0)
    known["c.py"] = DocumentVersion("3", CONTEXT, "binary", 0)
    changes = compare_tree(select(tree), known, CONTEXT)
    assert changes.modified == ["a.py", "b.py"]


def test_what_new_rules_leave_out_did_not_vanish() -> None:
    tree = {"a.py": "1", "b.py": "2", "gone.py": "3"}
    selection = Selection(select({"a.py": "1"}).entries, {}, ["a.py", "b.py"])
    changes = compare_tree(selection, know(tree), CONTEXT)
    assert sorted(changes.deleted) == ["b.py", "gone.py"]
    assert find_vanished(changes, selection.listed) == ["gone.py"]


def test_a_moved_file_did_not_vanish() -> None:
    changes = compare_tree(select({"new.py": "1"}), know({"old.py": "1"}), CONTEXT)
    assert find_vanished(changes, ["new.py"]) == []
    assert changes.count() == ChangeCounts(moved=1)


def test_changes_come_back_as_they_were_saved(tmp_path: Path) -> None:
    changes = compare_tree(select({"a.py": "1", "b": "2"}), know({"c.py": "1"}), CONTEXT)
    save_changes(tmp_path / "changes", changes)
    assert load_changes(tmp_path / "changes") == changes


@pytest.mark.parametrize("content", [None, b"", b"\x93garbage"])
def test_damaged_changes_are_an_error_that_says_what_to_do(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "changes"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match="Run again from the first op"):
        load_changes(path)
