"""kill -9 at every stage, over the Edge store, SQLite, real git and real parse workers."""

from pathlib import Path

import pytest

from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, find_processes
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.faults.hostile_files import HANGING
from ingestion_pipeline_tests.faults.installation import Installation
from ingestion_pipeline_tests.faults.killed_sync import HOSTILE, Death, SyncProcesses
from ingestion_pipeline_tests.faults.scene import Scene

# Of a first run: commit_branch makes the row, then each batch is announced, upserted, committed.
FIRST_RUN = [
    Death("mirror", "fetch_blobs", before=False),
    Death("parser", "result", 3),
    Death("encoder", "embed_words"),
    Death("store", "upsert"),
    Death("store", "upsert", 1, before=False),
    Death("state", "commit_branch", 1),
]
# Of a delta: the row loses its head, then each batch is announced, upserted, deleted, committed.
DELTA = [
    Death("mirror", "fetch_blobs", before=False),
    Death("parser", "result", 1),
    Death("encoder", "hear", before=False),
    Death("store", "upsert"),
    Death("store", "delete"),
    Death("store", "delete", 1),
    Death("state", "commit_documents", 3),
    Death("state", "commit_branch", 1),
]


def die(processes: SyncProcesses, installation: Installation, death: Death) -> list[int]:
    """Sync in another process until it is killed; nothing of it is left in the end."""
    alive = processes.kill_at(installation, death)
    if HAS_PROC:
        home = installation.folder
        wait_for(lambda: not find_processes(home), "the workers to end", seconds=20)
    return alive


@pytest.mark.parametrize("death", FIRST_RUN, ids=str)
def test_a_first_run(scene: Scene, processes: SyncProcesses, tmp_path: Path, death: Death) -> None:
    expected = scene.expect(scene.second)
    installation = scene.install(tmp_path)
    die(processes, installation, death)
    installation.sync()
    installation.assert_right(expected)


@pytest.mark.parametrize("death", DELTA, ids=str)
def test_a_delta(scene: Scene, processes: SyncProcesses, tmp_path: Path, death: Death) -> None:
    installation = scene.install_indexed(tmp_path, scene.first)
    expected = scene.expect(scene.second)
    die(processes, installation, death)
    installation.sync()
    installation.assert_right(expected)


def test_a_force_push_back_after_the_kill(
    scene: Scene, processes: SyncProcesses, tmp_path: Path
) -> None:
    """Points of the added file are in the store, and in no tree any more."""
    installation = scene.install_indexed(tmp_path, scene.first)
    scene.show(scene.second)
    die(processes, installation, Death("store", "delete", 1))
    expected = scene.expect(scene.first)
    installation.sync()
    installation.assert_right(expected)


@pytest.mark.skipif(not HAS_PROC, reason="Workers are found through /proc, which is not here.")
def test_a_worker_that_hangs_dies_with_the_run(
    scene: Scene, processes: SyncProcesses, tmp_path: Path
) -> None:
    installation = scene.install_indexed(tmp_path, scene.second)
    scene.show(scene.second)
    scene.git.commit({"zzz.py": HANGING, "zza.py": "def just_before():\n    pass\n"})
    head = scene.git.head()
    assert die(processes, installation, Death("parser", HOSTILE, before=False))
    expected = scene.expect(head)
    installation.sync()
    installation.assert_right(expected)
