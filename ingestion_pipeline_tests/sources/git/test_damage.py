"""Mirrors that were cut off, lost or broken: the next fetch puts them right by itself."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import RepositoryBusyError
from ingestion_pipeline.sources.git import BlobMissingError, GitMirror, MirrorDamagedError
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.servers.git_http import STALL, GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import fetch_files, read_commit

MakeMirror = Callable[..., GitMirror]
Damage = Callable[[Path], None]


@pytest.fixture
def source(repository: GitRepository) -> FetchSource:
    """By path, which is faster; what needs a server uses ``http_source``."""
    return FetchSource(str(repository.path))


@pytest.fixture
def http_source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    return FetchSource(f"{server.url}/owner/name.git")


def _list_packs(mirror: GitMirror) -> list[Path]:
    return list((mirror.path / "objects" / "pack").glob("*.pack"))


def _find_pack(git_dir: Path) -> Path:
    return max((git_dir / "objects" / "pack").glob("*.pack"), key=lambda path: path.stat().st_size)


def _rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def _lose_pack(git_dir: Path) -> None:
    _find_pack(git_dir).unlink()


def _lose_index(git_dir: Path) -> None:
    _find_pack(git_dir).with_suffix(".idx").unlink()


def _truncate_pack(git_dir: Path) -> None:
    _rewrite(_find_pack(git_dir), _find_pack(git_dir).read_bytes()[:100])


def _lose_manifest(git_dir: Path) -> None:
    next(git_dir.glob("*manifest*")).unlink()


def _break_manifest(git_dir: Path) -> None:
    next(git_dir.glob("*manifest*")).write_text("[]")


def _lose_head(git_dir: Path) -> None:
    (git_dir / "HEAD").unlink()


def _break_config(git_dir: Path) -> None:
    (git_dir / "config").write_text("[core\n")


def _break_refs(git_dir: Path) -> None:
    for ref in (git_dir / "refs" / "tips").iterdir():
        ref.write_text("")


def _break_shallow(git_dir: Path) -> None:
    (git_dir / "shallow").write_text("nonsense\n")


def _lose_everything(git_dir: Path) -> None:
    for path in sorted(git_dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _leave_locks(git_dir: Path) -> None:
    (git_dir / "shallow.lock").touch()
    (git_dir / "packed-refs.lock").touch()
    tip = next((git_dir / "refs" / "tips").iterdir())
    tip.with_name(f"{tip.name}.lock").touch()
    (git_dir / "objects" / "pack" / "tmp_pack_AbCdEf").write_bytes(b"PACK" * 1000)


def _leave_half_a_rebuild(git_dir: Path) -> None:
    for suffix in (".building", ".discarded"):
        half = git_dir.with_name(git_dir.name + suffix)
        (half / "objects").mkdir(parents=True)
        (half / "HEAD").write_text("ref: refs/heads/main\n")


_DAMAGES = [
    _lose_pack,
    _lose_index,
    _truncate_pack,
    _lose_manifest,
    _break_manifest,
    _lose_head,
    _break_config,
    _break_refs,
    _break_shallow,
    _lose_everything,
    _leave_locks,
    _leave_half_a_rebuild,
]


@pytest.mark.parametrize(
    ("damage", "pushed"),
    [*((damage, False) for damage in _DAMAGES), (_lose_pack, True), (_leave_locks, True)],
)
def test_the_next_fetch_puts_a_mirror_right(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, damage: Damage, pushed: bool
) -> None:
    mirror.fetch(source, ["main"])
    repository.commit({"second.txt": "2\n"})
    mirror.fetch(source, ["main"])
    damage(mirror.path)
    if pushed:
        repository.commit({"third.txt": "3\n"})

    files = fetch_files(mirror, source)

    assert set(files) == {"README.md", "src/app.py", "second.txt", *(["third.txt"] * pushed)}
    beside = {path.name for path in mirror.path.parent.iterdir()}
    assert beside <= {mirror.path.name, f"{mirror.path.name}.lock"}
    assert not list(mirror.path.rglob("*.lock"))
    assert not list(mirror.path.rglob("tmp_*"))


@pytest.mark.parametrize("damage", [_lose_pack, _lose_index, _truncate_pack, _lose_everything])
def test_a_lost_pack_is_an_error_and_never_files_that_are_too_large(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, damage: Damage
) -> None:
    """All files at the root: the last pack holds the new tree, another one most blobs."""
    repository.commit({f"{i}.py": f"x = {i}\n" * 50 for i in range(50)}, orphan=True)
    fetch_files(mirror, source)
    repository.commit({"1.py": "x = 'new'\n"})
    head = mirror.fetch(source, ["main"]).heads["main"]
    damage(mirror.path)

    with pytest.raises(MirrorDamagedError, match="next fetch builds it anew"):
        mirror.list_tree(head)

    assert len(fetch_files(mirror, source)) == 50


def test_a_bit_that_flipped_in_a_pack_is_an_error_and_the_next_fetch_mends_it(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    repository.commit({"noise.txt": os.urandom(50_000)}, orphan=True)
    head = mirror.fetch(source, ["main"]).heads["main"]
    assert "noise.txt" in read_commit(mirror, source, head)
    pack = _find_pack(mirror.path)
    content = bytearray(pack.read_bytes())
    for place in range(20_000, 20_100):
        content[place] ^= 0xFF
    _rewrite(pack, bytes(content))

    with pytest.raises(MirrorDamagedError):
        read_commit(mirror, source, head)

    assert "found damaged" in mirror.fetch(source, ["main"]).rebuilt_because
    assert len(read_commit(mirror, source, head)["noise.txt"]) == 50_000


def test_a_commit_that_was_never_fetched_is_an_error(
    repository: GitRepository, mirror: GitMirror, source: FetchSource
) -> None:
    mirror.fetch(source, ["main"])

    with pytest.raises(MirrorDamagedError):
        mirror.list_tree("1" * 40)


def test_a_blob_that_was_not_asked_for_is_an_error_and_neither_fetched_nor_damage(
    mirror: GitMirror, http_source: FetchSource, server: GitHttpServer
) -> None:
    tree = mirror.list_tree(mirror.fetch(http_source, ["main"]).heads["main"])
    asked = len(server.requests)

    with pytest.raises(BlobMissingError, match="never got it"):
        list(mirror.read_files(tree))

    assert len(server.requests) == asked
    assert mirror.fetch(http_source, ["main"]).rebuilt_because == ""


def test_a_blob_of_a_pack_that_is_lost_while_reading_is_damage(
    mirror: GitMirror, source: FetchSource
) -> None:
    tree = mirror.list_tree(mirror.fetch(source, ["main"]).heads["main"])
    packs = set(_list_packs(mirror))
    mirror.fetch_blobs(source, [entry.blob_sha for entry in tree])
    for pack in set(_list_packs(mirror)) - packs:
        pack.unlink()

    with pytest.raises(MirrorDamagedError, match="next fetch builds it anew"):
        list(mirror.read_files(tree))

    assert "found damaged" in mirror.fetch(source, ["main"]).rebuilt_because
    assert len(fetch_files(mirror, source)) == 2


def test_a_fetch_dies_with_the_process_that_started_it(
    repository: GitRepository, mirror: GitMirror, http_source: FetchSource, server: GitHttpServer
) -> None:
    repository.commit({"noise": os.urandom(500_000)})
    head = mirror.fetch(http_source, ["main"]).heads["main"]
    blobs = [entry.blob_sha for entry in mirror.list_tree(head)]
    server.misbehaviour = STALL
    child = _start_fetch(mirror, http_source, blobs)
    _wait_for(lambda: any(mirror.path.parent.rglob("tmp_pack_*")), child)
    group = _find_children(child.pid)
    assert len(group) > 2, "a supervisor, git and its transport should run"

    child.send_signal(signal.SIGKILL)
    child.wait()

    _wait_for(lambda: not any(_is_alive(pid) for pid in group))
    assert any(mirror.path.parent.rglob("tmp_pack_*"))
    server.release()
    assert mirror.fetch(http_source, ["main"]).rebuilt_because == ""
    assert len(read_commit(mirror, http_source, head)["noise"]) == 500_000
    assert not any(mirror.path.parent.rglob("tmp_pack_*"))


def test_concurrent_fetches_wait_for_one_another(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    results: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(make_mirror().fetch(source, ["main"]).heads["main"])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [repository.head()] * 4


def test_a_mirror_that_stays_locked_is_busy(
    make_mirror: MakeMirror, repository: GitRepository, source: FetchSource
) -> None:
    mirror = make_mirror(replace(LIMITS, timeout_seconds=0.1))
    mirror.path.parent.mkdir()

    with (
        FileLock(f"{mirror.path}.lock"),
        pytest.raises(RepositoryBusyError, match="INGESTION_CLONE_TIMEOUT_SECONDS"),
    ):
        mirror.fetch(source, ["main"])


_FETCH_SCRIPT = """
import sys
from pathlib import Path
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git import GitLimits, GitMirror
GitMirror(Path(sys.argv[1]), GitLimits(2**30, 2**20, 120.0)).fetch_blobs(
    FetchSource(sys.argv[2]), sys.argv[3:]
)
"""


def _start_fetch(
    mirror: GitMirror, source: FetchSource, blobs: list[str]
) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", _FETCH_SCRIPT, str(mirror.path), source.url, *blobs]
    return subprocess.Popen(arguments)


def _wait_for(
    condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None
) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        assert process is None or process.poll() is None, "the process ended too early"
        threading.Event().wait(0.02)


def _find_children(pid: int) -> list[int]:
    """Return all descendants of a process, by ``ps``, which Linux and macOS have."""
    rows = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.split()
    parents = dict(zip(map(int, rows[::2]), map(int, rows[1::2]), strict=True))
    found, seen = [], {pid}
    for child in sorted(parents):
        if parents[child] in seen:
            seen.add(child)
            found.append(child)
    return found


def _is_alive(pid: int) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")
