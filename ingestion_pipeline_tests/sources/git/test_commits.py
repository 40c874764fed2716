"""How many commits a fetch brought: compared with what the repository itself counts."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline_tests.git_repositories import GitRepository, run_git
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS


@pytest.fixture
def source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    return FetchSource(f"{server.url}/owner/name.git")


def _push(repository: GitRepository, count: int, branch: str = "main") -> None:
    for number in range(count):
        text = f"{branch} {number} {repository.commit_count}\n"
        repository.commit({"counter.txt": text}, branch=branch)


def _merge(repository: GitRepository, parents: list[str], branch: str = "main") -> str:
    tree = repository.git("rev-parse", f"{parents[0]}^{{tree}}")
    lines = "".join(f"parent {parent}\n" for parent in parents)
    return repository.commit_object(f"tree {tree}\n{lines}", branch=branch)


def test_a_push_counts_its_own_commits_and_an_unchanged_head_none(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    _push(repository, 4)
    assert mirror.fetch(source, ["main"]).commits_pulled == 5
    _push(repository, 3)
    assert mirror.fetch(source, ["main"]).commits_pulled == 3
    asked = len(server.requests)

    assert mirror.fetch(source, ["main"]).commits_pulled == 0
    assert len(server.requests) - asked <= 3


def test_what_one_fetch_does_not_count_the_next_one_does(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    mirror.fetch(source, ["main"])
    _push(repository, 2)

    uncounted = mirror.fetch(source, ["main"], count_commits=False)

    assert uncounted.heads == {"main": repository.head()}
    assert uncounted.commits_pulled is None
    assert not uncounted.notes
    assert mirror.fetch(source, ["main"]).commits_pulled == 2


def test_a_merge_of_an_old_fork_counts_the_fork_and_not_all_history(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    """The case in which a shallow repository alone would be sent everything."""
    _push(repository, 5)
    repository.create_branch("feature", repository.git("rev-parse", "main~3"))
    _push(repository, 2)
    mirror.fetch(source, ["main"])
    _push(repository, 2, "feature")
    merged = _merge(repository, [repository.head(), repository.head("feature")])

    fetched = mirror.fetch(source, ["main"])

    assert fetched.heads == {"main": merged}
    assert fetched.commits_pulled == 3
    trees = repository.git("rev-list", "--objects", "--filter=blob:none", "--all").splitlines()
    assert len(trees) > 20
    assert len(_list_objects(mirror)) < 10, "the trees of old commits stay at the host"


def _list_objects(mirror: GitMirror) -> list[bytes]:
    return run_git(mirror.path, "cat-file", "--batch-check", "--batch-all-objects").splitlines()


def test_a_force_push_counts_only_the_new_commits(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    _push(repository, 5)
    mirror.fetch(source, ["main"])
    repository.create_branch("main", repository.git("rev-parse", "main~4"))
    _push(repository, 2)

    fetched = mirror.fetch(source, ["main"])

    assert (fetched.commits_pulled, fetched.rebuilt_because) == (2, "")
    repository.create_branch("main", repository.git("rev-parse", "main~2"))
    assert mirror.fetch(source, ["main"]).commits_pulled == 0


def test_a_branch_that_is_deleted_and_made_again_counts_what_is_new(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    _push(repository, 2)
    _push(repository, 2, "topic")
    mirror.fetch(source, ["main", "topic"])
    repository.delete_branch("topic")
    assert mirror.fetch(source, ["main", "topic"]).commits_pulled == 0
    repository.create_branch("topic", repository.head())
    _push(repository, 1, "topic")

    assert mirror.fetch(source, ["main", "topic"]).commits_pulled == 1


def test_a_rebuilt_mirror_still_counts_from_the_last_fetch(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    _push(repository, 5)
    mirror.fetch(source, ["main"])
    next(mirror.path.glob("*manifest*")).unlink()
    _push(repository, 2)

    fetched = mirror.fetch(source, ["main"])

    assert fetched.rebuilt_because
    assert fetched.commits_pulled == 2


def test_a_list_of_commits_that_is_lost_is_fetched_again(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    _push(repository, 3)
    mirror.fetch(source, ["main"])
    for pack in (mirror.path / "history" / "objects" / "pack").glob("*.idx"):
        pack.unlink()
    _push(repository, 2)

    assert mirror.fetch(source, ["main"]).commits_pulled == 2

    shutil.rmtree(mirror.path / "history")
    assert mirror.fetch(source, ["main"]).commits_pulled == 6


def test_a_list_of_commits_over_its_limit_is_given_up_until_the_limit_is_raised(
    repository: GitRepository,
    make_mirror: Callable[..., GitMirror],
    source: FetchSource,
    server: GitHttpServer,
) -> None:
    tree = repository.git("rev-parse", "main^{tree}")
    for number in range(6):
        noise = "".join(f"{i * number:x}" for i in range(20_000))
        text = f"tree {tree}\nparent {repository.head()}\nauthor A <a@b> {number} +0000\n"
        text += f"committer A <a@b> {number} +0000\n\n{noise}\n"
        repository.create_branch("main", repository.write_object("commit", text.encode()))
    small = make_mirror(replace(LIMITS, max_repository_bytes=250_000))

    first = small.fetch(source, ["main"])

    assert first.heads == {"main": repository.head()}
    assert first.commits_pulled is None
    assert "too long" in first.notes[0]
    _push(repository, 1)
    asked = len(server.requests)
    second = small.fetch(source, ["main"])
    assert second.commits_pulled is None
    assert "INGESTION_MAX_REPOSITORY_MIB" in second.notes[0]
    assert len(server.requests) - asked <= 3, "it was tried again"
    assert make_mirror().fetch(source, ["main"]).commits_pulled == 8


def test_a_server_without_filters_is_fetched_whole_and_says_why_nothing_is_counted(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    server.supports_filter = False
    _push(repository, 1)
    head = repository.head()
    for _ in range(2):
        fetched = mirror.fetch(source, ["main"])
        assert fetched.commits_pulled is None
        assert any("cannot send commits alone" in note for note in fetched.notes)
        assert any("cannot leave files out" in note for note in fetched.notes)
    asked = len(server.requests)

    tree = mirror.list_tree(head)
    assert mirror.fetch_blobs(source, [entry.blob_sha for entry in tree]).fetched == 0
    assert len(server.requests) == asked
    assert not (mirror.path / "history").exists()


_MOVES = st.sampled_from(["push", "reset", "fork", "merge", "delete", "orphan", "lose"])


@given(moves=st.lists(_MOVES, min_size=2, max_size=5))
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_count_is_what_the_repository_itself_counts(
    repository: GitRepository, mirror: GitMirror, moves: list[str]
) -> None:
    """By path, without a server in between; the second branch exists only at times."""
    source = FetchSource(str(repository.path))
    known = list(mirror.fetch(source, ["main", "topic"]).heads.values())
    for move in moves:
        _move(repository, mirror, move)
        heads = mirror.fetch(source, ["main", "topic"])
        new = [repository.head(b) for b in ("main", "topic") if b in repository.list_branches()]
        expected = repository.git("rev-list", "--count", *new, "--not", *known)
        assert sorted(heads.heads.values()) == sorted(new)
        assert heads.commits_pulled == int(expected), move
        known = new


def _move(repository: GitRepository, mirror: GitMirror, move: str) -> None:
    has_topic = "topic" in repository.list_branches()
    if move == "push":
        _push(repository, 2)
    elif move == "orphan":
        repository.commit({"counter.txt": f"{repository.commit_count}\n"}, orphan=True)
    elif move == "lose":
        next(mirror.path.glob("*manifest*")).unlink()
    elif move == "reset":
        repository.create_branch("main", repository.git("rev-list", "main").split()[-1])
    elif move == "fork":
        repository.create_branch("topic", repository.git("rev-list", "main").split()[-1])
        _push(repository, 1, "topic")
    elif move == "merge" and has_topic:
        _merge(repository, [repository.head(), repository.head("topic")])
    elif move == "delete" and has_topic:
        repository.delete_branch("topic")
