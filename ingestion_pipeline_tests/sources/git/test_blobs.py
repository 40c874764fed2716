"""Fetching single blobs: only what is missing, in one request, huge ones passed over."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import (
    HostUnavailableError,
    RepositoryLimitError,
    RepositoryUnavailableError,
    TransientError,
)
from ingestion_pipeline.sources.git import GitMirror, MirrorDamagedError
from ingestion_pipeline.sources.git.blobs import MOST_HALVED
from ingestion_pipeline_tests.git_repositories import GitRepository, run_git
from ingestion_pipeline_tests.servers.git_http import TRUNCATE, GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import fetch_files, list_files, read_present

MakeMirror = Callable[..., GitMirror]
_PACK_REQUEST = "/owner/name.git/git-upload-pack"


@pytest.fixture
def source(repository: GitRepository) -> FetchSource:
    return FetchSource(str(repository.path))


@pytest.fixture(params=["http", "path"])
def either_source(
    request: pytest.FixtureRequest, repository: GitRepository, server: GitHttpServer
) -> FetchSource:
    return _http(server) if request.param == "http" else FetchSource(str(repository.path))


def _http(server: GitHttpServer) -> FetchSource:
    return FetchSource(f"{server.url}/owner/name.git")


def _list_shas(mirror: GitMirror, head: str) -> list[str]:
    return [entry.blob_sha for entry in list_files(mirror, head)]


def _wants(server: GitHttpServer) -> list[int]:
    return [r.wants for r in server.requests if r.path == _PACK_REQUEST and r.wants]


def test_exactly_the_missing_blobs_are_asked_for_in_one_request(
    repository: GitRepository, mirror: GitMirror, server: GitHttpServer
) -> None:
    source = _http(server)
    repository.commit({f"{i}.py": f"x = {i}\n" for i in range(40)})
    shas = _list_shas(mirror, mirror.fetch(source, ["main"]).heads["main"])
    server.requests.clear()

    assert mirror.fetch_blobs(source, shas[:10]).fetched == 10
    assert mirror.fetch_blobs(source, [*shas, *shas]).fetched == 32
    assert mirror.fetch_blobs(source, shas).fetched == 0
    assert mirror.fetch_blobs(source, []).fetched == 0

    assert _wants(server) == [10, 32]
    assert set(mirror.read_sizes(shas)) == set(shas)


def test_only_blobs_that_were_asked_for_are_in_the_mirror(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({"wanted.py": "x = 1\n", "logo.png": os.urandom(100_000)})
    tree = {e.path: e for e in mirror.list_tree(mirror.fetch(source, ["main"]).heads["main"])}

    mirror.fetch_blobs(source, [tree["wanted.py"].blob_sha])

    assert list(mirror.read_sizes(e.blob_sha for e in tree.values())) == [
        tree["wanted.py"].blob_sha
    ]


def test_a_blob_that_one_branch_brought_serves_another(
    repository: GitRepository, mirror: GitMirror, server: GitHttpServer
) -> None:
    source = _http(server)
    repository.create_branch("topic")
    repository.commit({"only.py": "topic = 1\n"}, branch="topic")
    heads = mirror.fetch(source, ["main", "topic"]).heads
    mirror.fetch_blobs(source, _list_shas(mirror, heads["main"]))

    assert mirror.fetch_blobs(source, _list_shas(mirror, heads["topic"])).fetched == 1

    repository.delete_branch("topic")
    mirror.fetch(source, ["main", "topic"])
    repository.create_branch("topic")
    repository.commit({"only.py": "topic = 1\n", "new.py": "y\n"}, branch="topic")
    head = mirror.fetch(source, ["main", "topic"]).heads["topic"]
    assert mirror.fetch_blobs(source, _list_shas(mirror, head)).fetched == 1
    assert len(read_present(mirror, list_files(mirror, head))) == 4


def test_blobs_of_before_a_force_push_are_still_there_and_new_ones_come(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    fetch_files(mirror, source)
    repository.commit({"README.md": "# Hello\n", "other.py": "y = 2\n"}, orphan=True)
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    head = mirror.fetch(source, ["main"]).heads["main"]

    assert mirror.fetch_blobs(source, _list_shas(mirror, head)).fetched == 1
    assert set(read_present(mirror, list_files(mirror, head))) == {"README.md", "other.py"}


def test_a_blob_that_went_with_a_force_push_is_a_transient_error(
    repository: GitRepository, mirror: GitMirror, either_source: FetchSource
) -> None:
    shas = _list_shas(mirror, mirror.fetch(either_source, ["main"]).heads["main"])
    repository.commit({"README.md": "# Hello\n"}, orphan=True)
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")

    with pytest.raises(TransientError, match="1 files are not in them any more"):
        mirror.fetch_blobs(either_source, shas)

    assert set(fetch_files(mirror, either_source)) == {"README.md"}


def test_a_path_that_lacks_the_blobs_itself_is_named_and_the_mirror_is_not_blamed(
    tmp_path: Path, repository: GitRepository, mirror: GitMirror
) -> None:
    repository.git("config", "uploadpack.allowFilter", "true")
    arguments = ("clone", "--quiet", "--bare", "--filter=blob:none")
    run_git(tmp_path, *arguments, repository.path.as_uri(), str(tmp_path / "partial"))
    source = FetchSource(str(tmp_path / "partial"))
    shas = _list_shas(mirror, mirror.fetch(source, ["main"]).heads["main"])

    with pytest.raises(RepositoryUnavailableError, match="in a partial clone run"):
        mirror.fetch_blobs(source, shas)

    assert mirror.fetch(source, ["main"]).rebuilt_because == ""


@pytest.mark.parametrize("sha", ["main", "", "--all", "a" * 39, "+" + "a" * 40])
def test_only_full_object_ids_are_asked_for(
    mirror: GitMirror, server: GitHttpServer, sha: str
) -> None:
    with pytest.raises(ValueError, match="not a full object id"):
        mirror.fetch_blobs(_http(server), [sha])


def test_blobs_of_a_mirror_that_was_never_fetched_or_is_damaged_are_an_error(
    mirror: GitMirror, source: FetchSource
) -> None:
    with pytest.raises(MirrorDamagedError):
        mirror.fetch_blobs(source, ["a" * 40])


@pytest.mark.parametrize("others", [7, MOST_HALVED + 10], ids=["halved", "by size"])
def test_a_huge_blob_is_skipped_and_the_others_come(
    repository: GitRepository, make_mirror: MakeMirror, either_source: FetchSource, others: int
) -> None:
    """Neither allowance fits: that of a small request, nor the mirror's own limit."""
    mirror = make_mirror(replace(LIMITS, max_file_bytes=10_000, max_repository_bytes=2**20))
    files: dict[str, str | bytes] = {f"{i}.py": f"x = {i}\n" for i in range(others)}
    repository.commit({**files, "data.py": os.urandom(3 * 2**20), "edge.py": os.urandom(10_000)})
    entries = list_files(mirror, mirror.fetch(either_source, ["main"]).heads["main"])
    data = next(entry for entry in entries if entry.path == "data.py")

    fetched = mirror.fetch_blobs(either_source, [entry.blob_sha for entry in entries])

    assert fetched.too_large == {data.blob_sha}
    assert fetched.fetched == len(entries) - 1
    read = list(mirror.read_files(entries))
    assert [file for file in read if isinstance(file, SkippedFile)] == [
        SkippedFile("data.py", data.blob_sha, "too large")
    ]
    assert len(read) == len(entries)
    assert not list(mirror.path.rglob("tmp_*"))

    again = mirror.fetch_blobs(either_source, [data.blob_sha])
    assert (again.fetched, again.too_large) == (0, {data.blob_sha}), "it is remembered"
    large = make_mirror()
    assert large.fetch_blobs(either_source, [data.blob_sha]).too_large == {data.blob_sha}
    larger = make_mirror(replace(LIMITS, max_file_bytes=4 * 2**20))
    assert larger.fetch_blobs(either_source, [data.blob_sha]).fetched == 1


def test_a_large_blob_that_compresses_well_comes_and_is_passed_over_in_reading(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({"a.py": "x\n", "big.py": "x" * 5 * 2**20, "z.py": "z\n"})
    entries = list_files(mirror, mirror.fetch(source, ["main"]).heads["main"])
    mirror.fetch_blobs(source, [entry.blob_sha for entry in entries])

    kinds = {file.path: type(file) for file in mirror.read_files(entries)}

    assert [path for path, kind in kinds.items() if kind is SkippedFile] == ["big.py"]
    assert [path for path, kind in kinds.items() if kind is SourceFile][-1] == "z.py"


def test_blobs_that_are_together_over_the_limit_are_a_clear_error(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    mirror = make_mirror(replace(LIMITS, max_repository_bytes=2**20))
    repository.commit({f"{i}.py": os.urandom(8_000) for i in range(MOST_HALVED)})
    shas = _list_shas(mirror, mirror.fetch(source, ["main"]).heads["main"])

    with pytest.raises(RepositoryLimitError, match="INGESTION_MAX_REPOSITORY_MIB"):
        mirror.fetch_blobs(source, shas)

    assert mirror.read_sizes(shas) == {}


@pytest.mark.parametrize("supports_filter", [True, False])
def test_a_server_that_gives_out_no_single_blobs_is_fetched_by_size(
    repository: GitRepository,
    make_mirror: MakeMirror,
    server: GitHttpServer,
    supports_filter: bool,
) -> None:
    server.gives_any_object, server.supports_filter = False, supports_filter
    mirror, source = make_mirror(), _http(server)
    repository.commit({"data.py": os.urandom(2 * 2**20)})
    entries = list_files(mirror, mirror.fetch(source, ["main"]).heads["main"])

    fetched = mirror.fetch_blobs(source, [entry.blob_sha for entry in entries])

    assert ("no single files" in fetched.note) == supports_filter
    assert len(fetched.too_large) == supports_filter
    assert set(read_present(mirror, entries)) == {"README.md", "src/app.py"}

    repository.commit({"new.py": "x = 1\n", "src/app.py": None})
    result = mirror.fetch(source, ["main"])
    server.requests.clear()
    shas = _list_shas(mirror, result.heads["main"])
    assert result.commits_pulled == (1 if supports_filter else None)
    assert mirror.fetch_blobs(source, shas).fetched == 0, "the fetch brought them"
    assert not server.requests
    larger = make_mirror(replace(LIMITS, max_file_bytes=3 * 2**20))
    rebuilt = larger.fetch(source, ["main"]).rebuilt_because
    assert ("larger files are allowed" in rebuilt) == supports_filter
    assert set(fetch_files(larger, source)) == {"README.md", "new.py", "data.py"}


@pytest.mark.parametrize("cut_after_bytes", [0, 3, 40, 3000, 100_000])
def test_blobs_that_break_off_leave_the_mirror_readable_and_come_the_next_time(
    repository: GitRepository, mirror: GitMirror, server: GitHttpServer, cut_after_bytes: int
) -> None:
    source = _http(server)
    before = fetch_files(mirror, source)
    old = list_files(mirror, repository.head())
    repository.commit({f"noise-{i}.py": os.urandom(20_000) for i in range(10)})
    head = mirror.fetch(source, ["main"]).heads["main"]
    server.misbehaviour, server.cut_after_bytes = TRUNCATE, cut_after_bytes

    with pytest.raises(HostUnavailableError):
        mirror.fetch_blobs(source, _list_shas(mirror, head))

    assert read_present(mirror, old) == before
    server.misbehaviour = ""
    assert mirror.fetch(source, ["main"]).rebuilt_because == ""
    assert mirror.fetch_blobs(source, _list_shas(mirror, head)).fetched == 10
    assert len(read_present(mirror, list_files(mirror, head))) == 12


@pytest.mark.parametrize("cut_after_bytes", [0, 40, 1500])
def test_commits_that_break_off_leave_the_mirror_readable_and_come_the_next_time(
    repository: GitRepository, mirror: GitMirror, server: GitHttpServer, cut_after_bytes: int
) -> None:
    source = _http(server)
    before = fetch_files(mirror, source)
    old = list_files(mirror, repository.head())
    repository.commit({f"{i}-{os.urandom(20).hex()}.py": f"x = {i}\n" for i in range(100)})
    server.misbehaviour, server.cut_after_bytes = TRUNCATE, cut_after_bytes

    with pytest.raises(HostUnavailableError):
        mirror.fetch(source, ["main"])

    assert read_present(mirror, old) == before
    server.misbehaviour = ""
    fetched = mirror.fetch(source, ["main"])
    assert (fetched.rebuilt_because, fetched.commits_pulled) == ("", 1)
    assert len(fetch_files(mirror, source)) == 102


def test_a_size_fetch_that_was_killed_does_not_make_blobs_too_large(
    repository: GitRepository, mirror: GitMirror, server: GitHttpServer, tmp_path: Path
) -> None:
    """Refs of such a fetch may stay behind; what they name was perhaps never sent."""
    source = _http(server)
    server.gives_any_object = False
    head = mirror.fetch(source, ["main"]).heads["main"]
    stale = mirror.path / "refs" / "sized" / ("0" * 40)
    stale.parent.mkdir(parents=True)
    stale.write_text(f"{head}\n")
    shas = _list_shas(mirror, head)
    repository.commit({"README.md": "# Hello\n"}, orphan=True)

    with pytest.raises(TransientError, match="not in them any more"):
        mirror.fetch_blobs(source, shas)

    assert not list(stale.parent.iterdir())
