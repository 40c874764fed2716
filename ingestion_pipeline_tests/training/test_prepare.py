"""What is read out of a repository and its history."""

from pathlib import Path

import numpy as np
import pytest

from ingestion_pipeline.core.errors import RepositoryNotFoundError, RepositoryUnavailableError
from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.sources.git.commits import (
    Commit,
    choose_snapshot,
    clean_message,
    list_commits,
)
from ingestion_pipeline.training.dataset import Lists, Repository
from ingestion_pipeline.training.prepare import prepare_repository, shorten_docstring
from ingestion_pipeline_tests.git_repositories import GitRepository


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("Fix the parser (#12)\n\nSigned-off-by: A <a@b.c>", "Fix the parser"),
        ("See https://example.org/x?y#z for GH-7", "See for"),
        ("one\ntwo\nCo-authored-by: B\nthree", "one two three"),
        ("", ""),
    ],
)
def test_what_tools_add_to_a_message_goes(message: str, kept: str) -> None:
    assert clean_message(message) == kept


def test_a_long_message_is_cut() -> None:
    assert len(clean_message("word " * 100).split()) == 60


def test_commits_say_what_they_modified(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "r", {"a.py": "1\n", "ü b.py": "1\n", "gone.py": "1\n"})
    git.commit({"a.py": "2\n", "ü b.py": "2\n", "gone.py": None, "new.py": "x"}, "Work\x01 on it")
    git.rename("a.py", "c.py")
    newest, middle, first = list_commits(git.path, "HEAD", 10)
    assert (newest.modified, newest.changed_count) == ((), 2)
    assert (middle.modified, middle.changed_count) == (("a.py", "ü b.py"), 4)
    assert first.changed_count == 3
    assert middle.sha == git.git("rev-parse", "HEAD~1")
    assert len(list_commits(git.path, "HEAD", 2)) == 2


def test_merges_are_left_out(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "r", {"a.py": "1\n"})
    git.commit({"b.py": "1\n"}, branch="dev")
    tree = git.git("rev-parse", "HEAD^{tree}")
    parents = f"parent {git.head('main')}\nparent {git.head('dev')}\n"
    git.commit_object(f"tree {tree}\n{parents}", branch="main")
    assert len(list_commits(git.path, "HEAD", 10)) == 2


def test_a_history_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "r")
    with pytest.raises(RepositoryUnavailableError, match="not a shallow one"):
        list_commits(git.path, "HEAD", 10)


def make_commit(modified: int) -> Commit:
    return Commit("", "", tuple(f"{i}.py" for i in range(modified)), modified)


def test_the_snapshot_leaves_enough_changes_after_it() -> None:
    commits = [make_commit(2)] * 300
    assert choose_snapshot(commits, 50) == 50
    assert choose_snapshot(commits, 250) == 120  # never more than 40 %
    assert choose_snapshot([make_commit(1)] * 10, 5) == 4
    assert choose_snapshot([make_commit(9)] * 2, 5) == 1


def test_docstrings_belong_to_their_symbols(offices: Repository) -> None:
    types = offices.types[offices.documented]
    assert set(types.tolist()) == {NodeType.CLASS, NodeType.FUNCTION}
    assert len(offices.documented) == 3 * 6
    words = [hash_term(word) for word in split_text("An office where people draw rivers and roads")]
    assert words in [offices.docstrings[i].tolist() for i in range(len(offices.docstrings))]


def test_changes_name_the_files_of_the_snapshot(offices: Repository) -> None:
    assert (len(offices.later), len(offices.earlier)) == (13, 17)
    # Files are nodes in order of their paths: README.md, then a topic and its test by turns.
    assert offices.is_code.tolist() == [False] + [True] * 12
    for changes in (offices.later, offices.earlier):
        for number in range(len(changes)):
            files = changes.files[number]
            assert len(files) in (1, 2)
            assert len(np.unique((files - 1) // 2)) == 1


def test_the_first_paragraph_is_what_people_ask_for() -> None:
    assert shorten_docstring("Send it.\n\nAt length.") == "Send it."
    assert shorten_docstring("Send it\n  soon.\nArgs:\n  x: y") == "Send it soon."
    assert shorten_docstring("Sends.\n@param x the x") == "Sends."
    assert len(shorten_docstring("word " * 90).split()) == 40


def test_a_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError):
        prepare_repository(tmp_path, "x")


def test_one_commit_is_no_history(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "r", {"a.py": "def f(): pass\n"})
    with pytest.raises(RepositoryUnavailableError, match="no history to learn from"):
        prepare_repository(git.path, "x")


def test_lists_are_kept_apart() -> None:
    lists = Lists.of([[1, 2], [], [3]])
    assert [lists[i].tolist() for i in range(len(lists))] == [[1, 2], [], [3]]
