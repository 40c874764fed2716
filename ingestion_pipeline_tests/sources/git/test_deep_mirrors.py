"""Mirrors deeper than one commit: the trees of all, and the files of the one that is asked for."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import RepositoryLimitError, RepositoryUnavailableError
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.blobs import MOST_HALVED
from ingestion_pipeline_tests.git_repositories import GitRepository, run_git
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import list_files, read_commit

MakeMirror = Callable[..., GitMirror]
DEEP = replace(LIMITS, depth=4)


def write_history(repository: GitRepository, commits: int = 9) -> list[str]:
    """Return the commits, oldest first."""
    first = repository.head()
    return [first, *(repository.commit({"src/app.py": f"x = {i}\n"}) for i in range(commits))]


def count_commits(mirror: GitMirror, head: str) -> int:
    return int(run_git(mirror.path, "rev-list", "--count", head))


@pytest.mark.parametrize("over", ["http", "path"])
def test_so_many_commits_come_with_their_trees_and_files_when_asked(
    repository: GitRepository, server: GitHttpServer, make_mirror: MakeMirror, over: str
) -> None:
    mirror = make_mirror(DEEP)
    url = f"{server.url}/owner/name.git" if over == "http" else str(repository.path)
    source = FetchSource(url)
    commits = write_history(repository)
    fetched = mirror.fetch(source, ["HEAD"], count_commits=False)
    assert fetched.heads == {"HEAD": commits[-1]}
    assert count_commits(mirror, commits[-1]) == 4
    kinds = run_git(mirror.path, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
    assert b"blob" not in kinds
    assert read_commit(mirror, source, commits[-4])["src/app.py"] == b"x = 5\n"

    commits += write_history(repository, 2)[1:]
    assert mirror.fetch(source, ["HEAD"], count_commits=False).heads == {"HEAD": commits[-1]}
    assert read_commit(mirror, source, commits[-1])["src/app.py"] == b"x = 1\n"
    assert read_commit(mirror, source, commits[-4])["src/app.py"] == b"x = 7\n"


def test_a_server_without_filters_sends_all_of_it(
    repository: GitRepository, server: GitHttpServer, make_mirror: MakeMirror
) -> None:
    server.gives_any_object = server.supports_filter = False
    mirror, source = make_mirror(DEEP), FetchSource(f"{server.url}/owner/name.git")
    commits = write_history(repository)
    mirror.fetch(source, ["HEAD"], count_commits=False)
    assert read_commit(mirror, source, commits[-3])["src/app.py"] == b"x = 6\n"


def test_a_server_that_gives_out_no_old_files_is_an_error(
    repository: GitRepository, server: GitHttpServer, make_mirror: MakeMirror
) -> None:
    server.gives_any_object = False
    mirror, source = make_mirror(DEEP), FetchSource(f"{server.url}/owner/name.git")
    commits = write_history(repository)
    mirror.fetch(source, ["HEAD"], count_commits=False)
    with pytest.raises(RepositoryUnavailableError, match="gives out no single files"):
        read_commit(mirror, source, commits[-3])
    assert count_commits(mirror, commits[-1]) == 4


def test_files_that_are_over_the_limit_together_are_an_error(
    repository: GitRepository, make_mirror: MakeMirror
) -> None:
    mirror = make_mirror(replace(DEEP, max_repository_bytes=2**20))
    source = FetchSource(str(repository.path))
    count = MOST_HALVED + 1
    head = repository.commit({f"{i}.py": os.urandom(8_000) for i in range(count)})
    mirror.fetch(source, ["HEAD"], count_commits=False)
    shas = [entry.blob_sha for entry in list_files(mirror, head)]
    with pytest.raises(RepositoryLimitError, match="larger than 1 MiB with 4 commits"):
        mirror.fetch_blobs(source, shas)
    assert mirror.read_sizes(shas) == {}
