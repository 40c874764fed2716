"""Fetching over smart HTTP: heads, moves of branches, limits."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion_pipeline.core.code import TreeEntry
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import (
    BranchNotFoundError,
    HostNotAllowedError,
    RepositoryLimitError,
)
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline_tests.git_repositories import (
    Executable,
    GitRepository,
    Submodule,
    Symlink,
)
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import fetch_files, read_commit

MakeMirror = Callable[..., GitMirror]


@pytest.fixture
def source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    return FetchSource(f"{server.url}/owner/name.git")


def test_the_first_fetch_builds_the_mirror(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    fetched = mirror.fetch(source, ["main"])

    assert fetched.heads == {"main": repository.head()}
    assert not fetched.is_empty
    assert fetched.rebuilt_because == "there is no mirror yet"
    assert read_commit(mirror, source, repository.head()) == {
        "README.md": b"# Hello\n",
        "src/app.py": b"print('hello')\n",
    }


def test_a_push_moves_the_mirror_without_building_it_anew(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    mirror.fetch(source, ["main"])
    repository.rename("src/app.py", "src/main.py")
    repository.commit({"README.md": None})

    fetched = mirror.fetch(source, ["main"])

    assert fetched.heads == {"main": repository.head()}
    assert fetched.rebuilt_because == ""
    assert read_commit(mirror, source, repository.head()) == {"src/main.py": b"print('hello')\n"}


def test_a_force_push_is_followed(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    mirror.fetch(source, ["main"])
    repository.commit({"other.txt": "new history\n"}, orphan=True)
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")

    fetched = mirror.fetch(source, ["main"])

    assert fetched.rebuilt_because == ""
    assert read_commit(mirror, source, fetched.heads["main"]) == {"other.txt": b"new history\n"}


def test_branches_share_a_mirror_and_may_replace_one_another(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({"x": "1"}, branch="topic")
    assert set(mirror.fetch(source, ["main", "topic"]).heads) == {"main", "topic"}
    repository.delete_branch("topic")
    repository.commit({"x": "2"}, branch="topic/part")
    repository.commit({"x": "3"}, branch="Main")

    fetched = mirror.fetch(source, ["topic/part", "main", "Main"])

    assert fetched.heads == {b: repository.head(b) for b in ("topic/part", "main", "Main")}
    assert read_commit(mirror, source, fetched.heads["topic/part"]) == {"x": b"2"}


def test_a_renamed_default_branch_is_fetched_by_its_new_name(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    mirror.fetch(source, ["main"])
    repository.rename_default_branch("trunk")

    assert mirror.fetch(source, ["trunk"]).heads == {"trunk": repository.head()}
    with pytest.raises(BranchNotFoundError, match=r"no branch main\. It has: trunk"):
        mirror.fetch(source, ["main"])


def test_a_branch_that_is_gone_is_absent_and_the_others_are_fetched(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.create_branch("old")
    mirror.fetch(source, ["main", "old"])
    repository.delete_branch("old")

    assert mirror.fetch(source, ["old", "main"]).heads == {"main": repository.head()}
    assert len(list((mirror.path / "refs" / "tips").iterdir())) == 1


@pytest.mark.parametrize(
    "branch", ["nope", "-x", "+main", "a..b", "ma:in", "x*", "refs/heads/main", "a b", "\n", "é"]
)
def test_an_unknown_branch_is_named_with_the_command_that_changes_it(
    mirror: GitMirror, source: FetchSource, branch: str
) -> None:
    with pytest.raises(BranchNotFoundError) as raised:
        mirror.fetch(source, [branch])

    assert branch in str(raised.value)
    assert "ingestion-pipeline track" in str(raised.value)


def test_a_branch_name_with_a_leading_dash_is_a_name(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({"x": "1"}, branch="--upload-pack=x")

    assert fetch_files(mirror, source, "--upload-pack=x") == {"x": b"1"}


def test_an_empty_repository_has_no_heads_and_is_no_error(
    tmp_path: Path, mirror: GitMirror, server: GitHttpServer
) -> None:
    repository = GitRepository(tmp_path / "served" / "owner" / "empty.git")
    source = FetchSource(f"{server.url}/owner/empty.git")

    for branches in (["main"], []):
        fetched = mirror.fetch(source, branches)
        assert (fetched.heads, fetched.is_empty) == ({}, True)

    repository.commit({"x": "1"})
    assert fetch_files(mirror, source) == {"x": b"1"}


def test_a_commit_without_files_lists_as_empty(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    sha = repository.commit({}, orphan=True)

    assert mirror.fetch(source, ["main"]).heads == {"main": sha}
    assert mirror.list_tree(sha) == []


def test_every_entry_is_listed_with_its_mode_and_the_size_is_read_of_what_is_there(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    links = {"link": Symlink("/etc/passwd"), "sub": Submodule()}
    files = {"run.sh": Executable("#!/bin/sh\n"), "empty": "", **links}
    sha = repository.commit(files, orphan=True)
    mirror.fetch(source, ["main"])

    tree = {e.path: e for e in mirror.list_tree(sha)}
    mirror.fetch_blobs(source, [tree["run.sh"].blob_sha, tree["empty"].blob_sha])

    modes = {path: e.mode for path, e in tree.items()}
    assert modes == {"empty": "100644", "link": "120000", "run.sh": "100755", "sub": "160000"}
    assert {e.size_bytes for e in tree.values()} == {-1}
    assert mirror.read_sizes(e.blob_sha for e in tree.values()) == {
        tree["empty"].blob_sha: 0,
        tree["run.sh"].blob_sha: 10,
    }


@pytest.mark.parametrize("mode", ["120000", "160000", "040000"])
def test_symlinks_and_submodules_are_never_read(mirror: GitMirror, mode: str) -> None:
    with pytest.raises(ValueError, match="is not a file to read"):
        mirror.read_files([TreeEntry("link", mode, "1" * 40, 3)])


@pytest.mark.parametrize("sha", ["main", "", "--help", "abc", "0" * 39 + "g"])
def test_only_full_commit_ids_are_listed(mirror: GitMirror, source: FetchSource, sha: str) -> None:
    mirror.fetch(source, ["main"])

    with pytest.raises(ValueError, match="not a full commit id"):
        mirror.list_tree(sha)


def test_a_repository_over_the_limit_is_refused_and_leaves_nothing_behind(
    repository: GitRepository, server: GitHttpServer, make_mirror: MakeMirror, source: FetchSource
) -> None:
    server.supports_filter = False
    mirror = make_mirror(replace(LIMITS, max_repository_bytes=2 * 2**20))
    repository.commit({f"noise-{i}": os.urandom(700_000) for i in range(5)})

    with pytest.raises(RepositoryLimitError, match=r"2 MiB.*INGESTION_MAX_REPOSITORY_MIB"):
        mirror.fetch(source, ["main"])

    assert _list_files(mirror) <= {"github-1.git.lock"}


def test_a_mirror_that_grew_over_the_limit_is_built_anew(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    mirror = make_mirror(replace(LIMITS, max_repository_bytes=3 * 2**20))
    reasons: list[str] = []
    counts: list[int | None] = []
    for _ in range(5):
        head = repository.commit({"noise": os.urandom(1_000_000)})
        fetched = mirror.fetch(source, ["main"])
        reasons.append(fetched.rebuilt_because)
        counts.append(fetched.commits_pulled)
        assert len(read_commit(mirror, source, head)["noise"]) == 1_000_000

    assert "it has grown over the limit on its size" in reasons[1:]
    assert counts == [2, 1, 1, 1, 1]


def test_a_tree_that_names_itself_over_and_over_is_refused(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    blob = repository.write_object("blob", b"boom\n")
    rows = [("100644", "blob", blob, b"%d" % i) for i in range(10)]
    for _ in range(9):
        sha = repository.commit_tree(rows)
        tree = repository.git("rev-parse", f"{sha}^{{tree}}")
        rows = [("040000", "tree", tree, b"%d" % i) for i in range(10)]
    mirror = make_mirror(replace(LIMITS, max_tree_entries=1000))

    head = mirror.fetch(source, ["main"]).heads["main"]

    with pytest.raises(RepositoryLimitError, match="more than 1,000 files"):
        mirror.list_tree(head)


def test_reading_may_stop_half_way(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({f"file-{i}": f"{i}" * 50_000 for i in range(50)})
    tree = mirror.list_tree(mirror.fetch(source, ["main"]).heads["main"])
    mirror.fetch_blobs(source, [entry.blob_sha for entry in tree])
    files = mirror.read_files(tree)

    assert next(files).path == tree[0].path
    files.close()  # pyright: ignore[reportAttributeAccessIssue] a generator

    assert [f.path for f in mirror.read_files(tree)] == [e.path for e in tree]


@pytest.mark.parametrize(
    "url", ["ext::sh -c id", "ssh://h/o/n", "git://h/o/n", "relative", "http://u:p@h/o", "-x"]
)
def test_other_protocols_never_reach_git(mirror: GitMirror, url: str) -> None:
    with pytest.raises(HostNotAllowedError):
        mirror.fetch(FetchSource(url), ["main"])


@pytest.mark.parametrize("protocols", [["https"], ["http", "https"]])
def test_a_mirror_fetches_by_the_protocols_it_was_given(
    tmp_path: Path, repository: GitRepository, protocols: Sequence[str]
) -> None:
    mirror = GitMirror(tmp_path / "m.git", LIMITS, protocols)

    with pytest.raises(HostNotAllowedError, match="may be fetched"):
        mirror.fetch(FetchSource(str(repository.path)), ["main"])


def _list_files(mirror: GitMirror) -> set[str]:
    return {path.name for path in mirror.path.parent.iterdir()}
