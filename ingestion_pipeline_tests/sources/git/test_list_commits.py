"""What the newest commits changed, from a second shallow repository inside the mirror."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git import mirror as mirror_module
from ingestion_pipeline_tests.git_repositories import GitRepository, run_git
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS


@pytest.fixture
def source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    return FetchSource(f"{server.url}/owner/name.git")


def _list(mirror: GitMirror, source: FetchSource, *branches: str) -> dict[str, list[list[str]]]:
    fetched = mirror.fetch(source, branches)
    assert fetched.is_filtered
    found, reason = mirror.list_commits(source, fetched.heads)
    assert reason == ""
    return {
        branch: [list(commit.modified) for commit in commits] for branch, commits in found.items()
    }


def test_commits_of_every_branch_say_what_they_changed(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({"README.md": "one\n", "src/app.py": "two\n", "new.py": "x\n"}, "Say both")
    repository.create_branch("topic", repository.head())
    repository.commit({"src/app.py": "three\n"}, branch="topic")
    assert _list(mirror, source, "main", "topic") == {
        "main": [["README.md", "src/app.py"], []],
        "topic": [["src/app.py"], ["README.md", "src/app.py"], []],
    }
    [newest, _], _ = mirror.list_commits(source, {"main": repository.head()})[0]["main"], ""
    assert newest.message == "Say both"


def test_only_trees_are_fetched_and_only_of_the_newest_commits(
    repository: GitRepository,
    mirror: GitMirror,
    source: FetchSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirror_module, "MOST_COMMITS_LISTED", 3)
    for number in range(6):
        repository.commit({"src/app.py": f"{number}\n"})
    # The oldest one's parent is not there, so all of its files look new.
    assert _list(mirror, source, "main") == {"main": [["src/app.py"], ["src/app.py"], []]}
    repository.commit({"src/app.py": "more\n"})
    assert _list(mirror, source, "main") == {"main": [["src/app.py"]] * 3}
    lines = run_git(
        mirror.path / "changes", "cat-file", "--batch-check", "--batch-all-objects"
    ).splitlines()
    kinds = [line.split()[1] for line in lines]
    assert b"blob" not in kinds
    assert kinds.count(b"commit") == 4


@pytest.mark.parametrize("lost", ["folder", "pack", "list"])
def test_what_is_lost_is_fetched_again(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, lost: str
) -> None:
    repository.commit({"src/app.py": "two\n"})
    expected = _list(mirror, source, "main")
    if lost == "folder":
        shutil.rmtree(mirror.path / "changes")
    elif lost == "list":
        (mirror.path / "changes" / "ingestion-commits").write_bytes(b"something else")
    else:
        for pack in (mirror.path / "changes" / "objects" / "pack").glob("*.idx"):
            pack.unlink()
    assert _list(mirror, source, "main") == expected


def test_a_merge_of_an_old_fork_is_listed_too(
    repository: GitRepository,
    mirror: GitMirror,
    source: FetchSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirror_module, "MOST_COMMITS_LISTED", 2)
    repository.create_branch("fork", repository.head())
    for number in range(5):
        repository.commit({"src/app.py": f"{number}\n"})
    _list(mirror, source, "main")
    repository.commit({"README.md": "fork\n"}, branch="fork")
    tree = repository.git("rev-parse", "fork^{tree}")
    parents = "".join(f"parent {repository.head(name)}\n" for name in ("main", "fork"))
    repository.commit_object(f"tree {tree}\n{parents}", branch="main")
    assert sorted(_list(mirror, source, "main")["main"]) == [["README.md"], ["src/app.py"]]


def test_a_rebuilt_mirror_keeps_it_and_a_force_push_is_followed(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    for number in range(3):
        repository.commit({"src/app.py": f"{number}\n"})
    _list(mirror, source, "main")
    next(mirror.path.glob("*manifest*")).unlink()
    repository.create_branch("main", repository.git("rev-parse", "main~3"))
    repository.commit({"README.md": "else\n"})
    assert _list(mirror, source, "main") == {"main": [["README.md"], []]}


def test_nothing_is_fetched_for_no_branch(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    mirror.fetch(source, ["main"])
    asked = len(server.requests)
    assert mirror.list_commits(source, {}) == ({}, "")
    assert len(server.requests) == asked


def test_a_history_over_its_limit_is_given_up_and_says_so(
    repository: GitRepository, make_mirror: Callable[..., GitMirror], source: FetchSource
) -> None:
    tree = repository.git("rev-parse", "main^{tree}")
    for number in range(6):
        noise = "".join(f"{i * number:x}" for i in range(20_000))
        text = f"tree {tree}\nparent {repository.head()}\nauthor A <a@b> {number} +0000\n"
        text += f"committer A <a@b> {number} +0000\n\n{noise}\n"
        repository.create_branch("main", repository.write_object("commit", text.encode()))
    small = make_mirror(replace(LIMITS, max_repository_bytes=250_000))
    heads = small.fetch(source, ["main"], count_commits=False).heads
    found, reason = small.list_commits(source, heads)
    assert found == {}
    assert reason.startswith("The history of changes is too long.")
    again, reason = small.list_commits(source, heads)
    assert again == {}
    assert "INGESTION_MAX_REPOSITORY_MIB" in reason
    assert len(make_mirror().list_commits(source, heads)[0]["main"]) == 7
