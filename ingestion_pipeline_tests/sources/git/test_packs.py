"""Merging packs: few stay, nothing is lost, wherever it is interrupted."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.packs import choose_packs
from ingestion_pipeline_tests.git_repositories import GitRepository, run_git
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import fetch_files, list_files, read_present

FEW_PACKS = replace(LIMITS, max_packs=4)
MakeMirror = Callable[..., GitMirror]


@pytest.fixture
def source(repository: GitRepository) -> FetchSource:
    return FetchSource(str(repository.path))


def _list_packs(git_dir: Path) -> set[str]:
    return {path.stem for path in (git_dir / "objects" / "pack").glob("*.pack")}


def _sync_often(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, times: int
) -> None:
    for number in range(times):
        repository.commit({f"{number}.py": f"x = {number}\n"})
        files = fetch_files(mirror, source)
        assert files[f"{number}.py"] == f"x = {number}\n".encode()


def test_many_small_pushes_leave_few_packs_and_are_never_fetched_again(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    mirror = make_mirror(FEW_PACKS)
    for number in range(8):
        repository.commit({f"{number}.py": f"x = {number}\n"})
        fetched = mirror.fetch(source, ["main"])
        shas = [entry.blob_sha for entry in list_files(mirror, fetched.heads["main"])]
        expected = 3 if number == 0 else 1
        assert mirror.fetch_blobs(source, shas).fetched == expected, "merging lost a blob"
        assert fetched.commits_pulled == (2 if number == 0 else 1)
        assert not number or fetched.rebuilt_because == ""
        for git_dir in (mirror.path, mirror.path / "history"):
            assert len(_list_packs(git_dir)) <= FEW_PACKS.max_packs + 2
            names = {p.name for p in (git_dir / "objects" / "pack").iterdir()}
            for stem in _list_packs(git_dir):
                assert {f"{stem}.idx", f"{stem}.promisor"} <= names

    assert len(read_present(mirror, list_files(mirror, repository.head()))) == 10
    run_git(mirror.path, "fsck", "--connectivity-only")


def test_a_merge_that_was_interrupted_before_its_end_changes_nothing(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    _sync_often(repository, make_mirror(), source, 3)
    mirror = make_mirror()
    packs = _list_packs(mirror.path)
    half = mirror.path / "merging"
    half.mkdir()
    (half / "pack-1234.pack").write_bytes(b"PACK" * 100)
    (mirror.path / "objects" / "pack" / ".tmp-1-pack-1.pack").write_bytes(b"PACK")

    fetched = mirror.fetch(source, ["main"])

    assert fetched.rebuilt_because == ""
    assert not half.exists()
    assert not list(mirror.path.rglob(".tmp-*"))
    assert packs <= _list_packs(mirror.path)
    assert len(read_present(mirror, list_files(mirror, repository.head()))) == 5


@pytest.mark.parametrize("removed", [(), (".idx",), (".idx", ".rev", ".pack")])
def test_old_packs_of_a_merge_that_was_interrupted_at_their_deletion_go_the_next_time(
    repository: GitRepository,
    make_mirror: MakeMirror,
    source: FetchSource,
    tmp_path: Path,
    removed: tuple[str, ...],
) -> None:
    """The state after the new manifest was written: old packs still there, or partly."""
    _sync_often(repository, make_mirror(), source, 3)
    mirror = make_mirror(replace(LIMITS, max_packs=1))
    before = tmp_path / "before"
    shutil.copytree(mirror.path / "objects" / "pack", before)
    mirror.fetch(source, ["main"])
    (merged,) = _list_packs(mirror.path)
    old = [path for path in before.iterdir() if path.stem != merged]
    manifest = next(mirror.path.glob("*manifest*"))
    names = ", ".join(f'"{path.name}"' for path in sorted(old))
    text = manifest.read_text().replace('"superseded": []', f'"superseded": [{names}]')
    manifest.write_text(text)
    for path in old:
        if path.suffix not in removed:
            shutil.copy(path, mirror.path / "objects" / "pack" / path.name)

    mirror = make_mirror()
    assert len(read_present(mirror, list_files(mirror, repository.head()))) == 5
    assert mirror.fetch(source, ["main"]).rebuilt_because == ""
    stems = {path.stem for path in old}
    assert not [p for p in (mirror.path / "objects" / "pack").iterdir() if p.stem in stems]
    assert len(read_present(mirror, list_files(mirror, repository.head()))) == 5


def test_a_pack_that_cannot_be_merged_is_damage_and_the_mirror_is_built_anew(
    repository: GitRepository, make_mirror: MakeMirror, source: FetchSource
) -> None:
    _sync_often(repository, make_mirror(), source, 3)
    mirror = make_mirror(replace(LIMITS, max_packs=1))
    pack = max((mirror.path / "objects" / "pack").glob("*.pack"), key=lambda p: p.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[20:60] = bytes(40)
    pack.chmod(0o600)
    pack.write_bytes(bytes(content))

    assert mirror.fetch(source, ["main"]).rebuilt_because
    assert len(fetch_files(mirror, source)) == 5


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=80))
def test_what_is_not_merged_doubles_from_pack_to_pack(sizes: list[int]) -> None:
    sizes.sort()

    count = choose_packs(sizes)

    assert 2 <= count <= len(sizes)
    for number in range(count, len(sizes)):
        assert sizes[number] >= 2 * sum(sizes[:number])
    assert len(sizes) - count <= 31
