"""Repositories that try to harm, and old ones that only look as if they did."""

from pathlib import Path

import pytest

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import RepositoryUnavailableError
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline_tests.git_repositories import GitRepository, Submodule, Symlink
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.sources.git.reading import fetch_files, read_commit


@pytest.fixture
def source(repository: GitRepository) -> FetchSource:
    """By path, which is faster; what needs a server uses ``http_source``."""
    return FetchSource(str(repository.path))


@pytest.fixture
def http_source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    return FetchSource(f"{server.url}/owner/name.git")


def test_nothing_in_a_repository_is_ever_run_or_followed(
    tmp_path: Path,
    repository: GitRepository,
    mirror: GitMirror,
    http_source: FetchSource,
    server: GitHttpServer,
) -> None:
    marker = tmp_path / "pwned"
    touch = f"touch {marker}"
    files = {
        ".gitattributes": "* filter=evil diff=evil merge=evil text eol=crlf\n*.lfs filter=lfs\n",
        ".gitconfig": f'[filter "evil"]\n\tsmudge = {touch}\n\tclean = {touch}\n',
        ".gitmodules": f'[submodule "a"]\n\tpath = a\n\turl = ext::sh -c "{touch}"\n'
        f'\tupdate = !{touch}\n[submodule "-b"]\n\tpath = -b\n\turl = -u{touch}\n',
        "a": Submodule(),
        "hooks/post-checkout": f"#!/bin/sh\n{touch}\n",
        "model.lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "out": Symlink("../../../../etc/passwd"),
        "app.py": "x = 1\n",
    }
    repository.commit(files, orphan=True)
    _write_hooks(repository.path, touch)

    read = fetch_files(mirror, http_source)

    assert set(read) == set(files) - {"a", "out"}
    assert read["app.py"] == b"x = 1\n"
    assert read["model.lfs"].startswith(b"version https://git-lfs")
    assert not marker.exists()
    assert {request.path.split("?")[0] for request in server.requests} == {
        "/owner/name.git/info/refs",
        "/owner/name.git/git-upload-pack",
    }
    assert not list((mirror.path / "hooks").glob("*"))


def test_hooks_of_a_local_repository_do_not_run(
    tmp_path: Path, repository: GitRepository, mirror: GitMirror
) -> None:
    marker = tmp_path / "pwned"
    _write_hooks(repository.path, f"touch {marker}")
    repository.git("config", "uploadpack.packObjectsHook", f"touch {marker};")
    repository.git("config", "core.fsmonitor", f"touch {marker}")
    repository.git("config", "core.alternateRefsCommand", f"touch {marker}")

    assert "README.md" in fetch_files(mirror, FetchSource(str(repository.path)))
    assert not marker.exists()


def _write_hooks(git_dir: Path, command: str) -> None:
    (git_dir / "hooks").mkdir(exist_ok=True)
    names = ("post-checkout", "post-merge", "pre-auto-gc", "reference-transaction", "update")
    for name in names:
        hook = git_dir / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{command}\n")
        hook.chmod(0o755)


def test_any_name_survives_as_text(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    names: dict[bytes, str] = {
        b"--help": "--help",
        b"-rf": "-rf",
        b"a\nb": "a\nb",
        b"tab\there": "tab\there",
        b"\x1b[31mred": "\x1b[31mred",
        b"caf\xe9": "caf\\xe9",
        b"caf\\xe9": "caf\\x5cxe9",
        "café/日本".encode(): "café/日本",
        b'quote"s': 'quote"s',
        b" space ": " space ",
        b"*": "*",
        b"C:\\Windows": "C:\\Windows",
        b"x" * 5000: "x" * 5000,
    }
    repository.commit({raw: f"{number}" for number, raw in enumerate(names)}, orphan=True)

    read = fetch_files(mirror, source)

    assert read == {text: b"%d" % number for number, text in enumerate(names.values())}


def test_paths_that_lead_out_of_a_checkout_are_only_text(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    blob = repository.write_object("blob", b"x\n")
    tree = repository.git("mktree", stdin=f"100644 blob {blob}\tpasswd\n".encode())
    names = [b".", b"..", b".GIT", b".git", b"git~1"]
    repository.commit_tree([("040000", "tree", tree, name) for name in names])

    assert set(fetch_files(mirror, source)) == {f"{name.decode()}/passwd" for name in names}


_WHO = "Ada Lovelace <ada@example.com>"
_OLD_HEADERS = {
    "missingSpaceBeforeDate": f"author {_WHO}1100000000 +0000\ncommitter {_WHO} 1 +0000\n",
    "missingEmail": "author Ada 1 +0000\ncommitter Ada 1 +0000\n",
    "missingNameBeforeEmail": "author <a@b> 1 +0000\ncommitter <a@b> 1 +0000\n",
    "badEmail": "author A <a@b 1 +0000\ncommitter A <a@b> 1 +0000\n",
    "badTimezone": f"author {_WHO} 1 +051800\ncommitter {_WHO} 1 +051800\n",
    "zeroPaddedDate": f"author {_WHO} 01 +0000\ncommitter {_WHO} 01 +0000\n",
    "badDateOverflow": f"author {_WHO} {2**70} +0000\ncommitter {_WHO} {2**70} +0000\n",
    "multipleAuthors": f"author {_WHO} 1 +0000\nauthor {_WHO} 1 +0000\ncommitter {_WHO} 1 +0000\n",
}


@pytest.mark.parametrize("problem", _OLD_HEADERS)
def test_commits_as_old_tools_wrote_them_are_fetched(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, problem: str
) -> None:
    tree = repository.git("rev-parse", "main^{tree}")
    text = f"tree {tree}\n{_OLD_HEADERS[problem]}\nold\n"
    repository.create_branch("main", repository.write_object("commit", text.encode()))

    assert set(fetch_files(mirror, source)) == {"README.md", "src/app.py"}


def test_zero_padded_modes_are_fetched_and_listed_as_usual(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    blob = bytes.fromhex(repository.write_object("blob", b"x\n"))
    inner = repository.write_object("tree", b"100664 old-mode\0" + blob)
    outer = repository.write_object("tree", b"040000 dir\0" + bytes.fromhex(inner))
    sha = repository.commit_object(f"tree {outer}\n")
    mirror.fetch(source, ["main"])

    assert [(e.path, e.mode) for e in mirror.list_tree(sha)] == [("dir/old-mode", "100644")]
    assert read_commit(mirror, source, sha) == {"dir/old-mode": b"x\n"}


def test_a_duplicate_path_behind_a_tolerated_problem_is_found_on_listing(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    blob = bytes.fromhex(repository.write_object("blob", b"x\n"))
    tree = repository.write_object("tree", b"".join(b"100644 a\0" + blob for _ in range(2)))
    padded = repository.write_object("tree", b"040000 dir\0" + bytes.fromhex(tree))
    repository.commit_object(f"tree {padded}\n")

    with pytest.raises(RepositoryUnavailableError, match="malformed"):
        _fetch_and_list(mirror, source)


def _fetch_and_list(mirror: GitMirror, source: FetchSource) -> None:
    """Newer versions of git find the problem on the fetch, older ones leave it to the listing."""
    mirror.list_tree(mirror.fetch(source, ["main"]).heads["main"])


@pytest.mark.parametrize("names", [(b"a", b"a"), (b"b", b"a")], ids=["duplicate", "unsorted"])
def test_a_tree_that_can_be_read_in_two_ways_is_refused(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, names: tuple[bytes, bytes]
) -> None:
    blob = bytes.fromhex(repository.write_object("blob", b"x\n"))
    rows = b"".join(b"100644 %s\0%s" % (name, blob) for name in names)
    repository.commit_object(f"tree {repository.write_object('tree', rows)}\n")

    with pytest.raises(RepositoryUnavailableError, match="malformed"):
        mirror.fetch(source, ["main"])
