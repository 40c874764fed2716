"""A disk that fills up under one part: what is lost is the run, and the cache's use."""

import shutil
from pathlib import Path

import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline_tests.faults.installation import Installation
from ingestion_pipeline_tests.faults.killed_sync import ERROR, Death, SyncProcesses
from ingestion_pipeline_tests.faults.scene import Scene
from ingestion_pipeline_tests.faults.small_disk import mount_small_disk

KIB = 1024
TO_THE_END = Death()


def move_aside(installation: Installation, name: str) -> None:
    """Keep a folder of the data elsewhere, so that a disk for all of it holds none of this."""
    elsewhere = installation.folder / f"elsewhere-{name}"
    elsewhere.mkdir()
    (installation.data / name).symlink_to(elsewhere, target_is_directory=True)


@pytest.mark.parametrize("size_kib", [4, 40])
def test_under_the_caches(scene: Scene, tmp_path: Path, size_kib: int) -> None:
    """From no room for a table to room for some of what is kept."""
    expected = scene.expect(scene.second)
    installation = scene.install(tmp_path)
    with mount_small_disk(installation.data / "cache", size_kib * KIB) as disk:
        installation.sync()
        installation.assert_right(expected)
        disk.resize()
        expected = scene.expect(scene.first)
        installation.sync()
        installation.assert_right(expected)


@pytest.mark.parametrize("size_kib", [4, 24, 40])
def test_under_the_work_folder(
    scene: Scene, processes: SyncProcesses, tmp_path: Path, size_kib: int
) -> None:
    """In a process of its own, which a full disk under mapped memory would kill."""
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)
    shutil.rmtree(installation.data / "work")
    with mount_small_disk(installation.data / "work", size_kib * KIB) as disk:
        assert processes.run(installation, TO_THE_END) == 1
        error = (installation.folder / ERROR).read_text()
        assert error.startswith("WorkDiskFullError"), error
        scene.show(scene.first)
        installation.assert_right(scene.expect(scene.first))
        scene.show(scene.second)
        disk.resize()
        installation.sync()
        installation.assert_right(expected)


def test_under_the_mirror(scene: Scene, tmp_path: Path) -> None:
    expected = scene.expect(scene.second)
    installation = scene.install(tmp_path)
    with mount_small_disk(installation.data / "mirrors", 48 * KIB) as disk:
        with pytest.raises(ConfigurationError, match="The disk is full"):
            installation.sync()
        disk.resize()
        installation.sync()
        installation.assert_right(expected)


def test_under_the_points(scene: Scene, tmp_path: Path) -> None:
    """The store keeps its distance from the last byte, which would end the process."""
    installation = scene.install(tmp_path)
    with mount_small_disk(installation.data / "qdrant") as disk:
        expected = scene.expect(scene.first)
        installation.sync()
        expected_after = scene.expect(scene.second)

        def between(step: str) -> None:
            if step == "embed":
                disk.leave(64 << 20)

        with pytest.raises(ConfigurationError, match="64 MiB free"):
            installation.sync(between=between)
        disk.resize()
        installation.assert_store(expected)
        installation.sync()
        installation.assert_right(expected_after)


def test_under_the_state(scene: Scene, tmp_path: Path) -> None:
    scene.show(scene.first)
    installation = scene.install(tmp_path)
    with mount_small_disk(installation.data) as disk:
        for name in ("cache", "mirrors", "qdrant", "work"):
            move_aside(installation, name)
        installation.sync()
        expected = scene.expect(scene.second)
        disk.leave(64 * KIB)
        full = disk.full()

        def between(step: str) -> None:
            if step == "embed":
                full.__enter__()

        with pytest.raises(ConfigurationError, match="disk"):
            installation.sync(between=between)
        full.__exit__(None, None, None)
        disk.resize()
        installation.sync()
        installation.assert_right(expected)
