"""Caches, work folders and mirrors that are deleted or damaged before, between and during steps."""

import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.upsert import upsert_points
from ingestion_pipeline.parse import ParsedFile
from ingestion_pipeline.sources.git import BlobMissingError, MirrorDamagedError
from ingestion_pipeline_tests.faults.installation import Installation
from ingestion_pipeline_tests.faults.scene import Scene
from ingestion_pipeline_tests.faults.steps import make_target, prepare, track

Ruin = Callable[[Path], None]


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)


def garble(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


RUINS = [delete, truncate, garble]


def ruin_caches(installation: Installation, ruin: Ruin) -> None:
    """Ruin records and vectors, and what SQLite keeps beside them."""
    files = sorted((installation.data / "cache").glob("*.db*"))
    assert files
    for file in files:
        ruin(file)


@pytest.mark.parametrize(
    ("moment", "ruin"),
    [*(("clone", ruin) for ruin in RUINS), ("parse", garble), ("embed", delete)],
)
def test_caches_ruined_between_two_steps(
    scene: Scene, tmp_path: Path, moment: str, ruin: Ruin
) -> None:
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)

    def between(step: str) -> None:
        if step == moment:
            ruin_caches(installation, ruin)

    installation.sync(between=between)
    installation.assert_right(expected)


@pytest.mark.parametrize("ruin", [delete, garble])
def test_caches_ruined_while_files_are_parsed_and_embedded(
    scene: Scene, tmp_path: Path, ruin: Ruin
) -> None:
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)

    def replace(name: str, part: Any) -> Any:
        if name == "encoder":
            ruin_caches(installation, ruin)  # the encoder is asked for once the records are open
        if name != "parser":
            return part

        def parse(files: Iterable[SourceFile]) -> Iterator[ParsedFile | SkippedFile]:
            for number, result in enumerate(part(files)):
                if number == 1:
                    ruin_caches(installation, ruin)
                yield result

        return parse

    installation.sync(replace=replace)
    installation.assert_right(expected)
    # What was kept of it is true: another sync from it alone says the same.
    shutil.rmtree(installation.data / "qdrant")
    installation.sync()
    installation.assert_right(expected)


@pytest.mark.parametrize("moment", ["clone", "parse", "embed"])
def test_a_work_folder_deleted_between_two_steps(scene: Scene, tmp_path: Path, moment: str) -> None:
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)

    def between(step: str) -> None:
        if step == moment:
            shutil.rmtree(installation.data / "work")

    with pytest.raises(ArtifactError, match="Run again from the first op"):
        installation.sync(between=between)
    installation.sync()
    installation.assert_right(expected)


def test_each_work_file_lost_or_cut_short_before_the_upsert(scene: Scene, tmp_path: Path) -> None:
    """The step can be taken up again as soon as the file is back."""
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)
    with installation.open() as services:
        row = track(services, str(installation.origin))
        target = make_target(services, row)
        embedded = prepare(services, row, target)
        [branch] = embedded.parsed.cloned.branches
        # What the commits changed went into the relations.
        files = sorted(set(branch.folder.iterdir()) - {branch.commits_path})
        assert len(files) == 10, files
        for file in files:
            whole = file.read_bytes()
            for ruin in (delete, truncate):
                ruin(file)
                with pytest.raises(ArtifactError, match=file.name):
                    upsert_points(embedded, target, services.clock, Progress("test"))
                file.write_bytes(whole)
        upsert_points(embedded, target, services.clock, Progress("test"))
    installation.assert_right(expected)


def find_mirror(installation: Installation) -> Path:
    [mirror] = (installation.data / "mirrors").glob("*.git")
    return mirror


def garble_packs(mirror: Path) -> None:
    """Let every pack keep its size, so that nothing shows before it is read."""
    for pack in mirror.rglob("*.pack"):
        pack.chmod(0o600)
        garble(pack)


def cut_packs(mirror: Path) -> None:
    for pack in mirror.rglob("*.pack"):
        pack.chmod(0o600)
        truncate(pack)


@pytest.mark.parametrize("ruin", [shutil.rmtree, cut_packs, garble_packs])
def test_a_mirror_ruined_between_two_runs(
    scene: Scene, tmp_path: Path, ruin: Callable[[Path], None]
) -> None:
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)
    ruin(find_mirror(installation))
    installation.sync()
    installation.assert_right(expected)


@pytest.mark.parametrize("ruin", [shutil.rmtree, cut_packs, garble_packs])
def test_a_mirror_ruined_before_its_blobs_are_read(
    scene: Scene, tmp_path: Path, ruin: Callable[[Path], None]
) -> None:
    installation = scene.install(tmp_path)
    expected = scene.expect(scene.second)

    def between(step: str) -> None:
        if step == "clone":
            ruin(find_mirror(installation))

    damage = (MirrorDamagedError, BlobMissingError)
    with pytest.raises(damage, match=r"(?i)start again from the clone"):
        installation.sync(between=between)
    installation.sync()
    installation.assert_right(expected)


def test_the_caches_go_when_the_mirror_has_none_of_their_blobs(
    scene: Scene, tmp_path: Path
) -> None:
    """Blobs of cached records are not fetched, so parsing has to begin with the clone again."""
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)
    shutil.rmtree(find_mirror(installation))

    def between(step: str) -> None:
        if step == "clone":
            ruin_caches(installation, delete)

    with pytest.raises(BlobMissingError, match="Start again from the clone"):
        installation.sync(between=between)
    installation.sync()
    installation.assert_right(expected)
