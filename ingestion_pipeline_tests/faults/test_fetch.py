"""Fetches over smart HTTP that are cut off, or whose run is killed in the middle of them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion_pipeline.orchestration import retries
from ingestion_pipeline_tests.cli.home import KEY, CommandHome, open_home
from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, find_processes
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.faults.github_home import assert_home_right, index_clean
from ingestion_pipeline_tests.faults.scene import ADDED, CHANGE, FIRST
from ingestion_pipeline_tests.servers.git_http import STALL, TRUNCATE
from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer

MAIN = "from ingestion_pipeline.cli.main import main; main()"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[CommandHome]:
    """A home with the repository tracked."""
    with open_home(tmp_path) as opened:
        opened.add_repository(files=FIRST)
        opened.run("track", KEY)
        yield opened


def misbehave(home: CommandHome, how: str, cut_after_bytes: int | None, blob: str = "") -> None:
    """Cut packs; where a path is named only those with its blob."""
    at = home.repositories[KEY].git("rev-parse", f"main:{blob}") if blob else ""
    home.git.misbehaves_for = at
    home.git.cut_after_bytes = cut_after_bytes
    home.git.misbehaviour = how


def assert_cut(home: CommandHome) -> None:
    """Assert that a sync fails and says why."""
    result = home.invoke("sync", KEY)
    assert result.exit_code == 1
    assert f"{KEY}: failed: {home.git.url}/{KEY}.git" in result.stdout


def test_commits_and_blobs_that_arrive_in_part(
    home: CommandHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of a first run, at two places; then blobs of a delta."""
    monkeypatch.setattr(retries, "MAX_RETRIES", 1)
    for cut in (60, None):
        misbehave(home, TRUNCATE, cut)
        assert_cut(home)
    home.git.release()
    home.run("sync", KEY)
    assert_home_right(home, index_clean(home, tmp_path / "clean-first"))

    home.push(CHANGE)
    misbehave(home, TRUNCATE, None, ADDED)
    assert_cut(home)
    home.git.release()
    home.run("sync", KEY)
    assert_home_right(home, index_clean(home, tmp_path / "clean-second"))


def start_sync(home: CommandHome) -> subprocess.Popen[bytes]:
    """Start ``ingestion-pipeline sync`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "sync", KEY],
        env=home.make_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(home: CommandHome, command: subprocess.Popen[bytes]) -> None:
    """kill -9 the process alone; what it had started ends too."""
    command.kill()
    assert command.wait() == -signal.SIGKILL
    if HAS_PROC:
        wait_for(lambda: not find_processes(home.folder), "its processes to end", seconds=20)


def test_the_command_is_killed_while_it_fetches(home: CommandHome, tmp_path: Path) -> None:
    """Commits of a first run, then blobs of a delta."""
    misbehave(home, STALL, 60)
    command = start_sync(home)
    wait_for(home.git.is_stalled.is_set, "the commits to stall")
    kill(home, command)
    home.git.release()
    home.run("sync", KEY)
    assert_home_right(home, index_clean(home, tmp_path / "clean-first"))

    home.push(CHANGE)
    misbehave(home, STALL, None, ADDED)
    command = start_sync(home)
    wait_for(home.git.is_stalled.is_set, "the blobs to stall")
    kill(home, command)
    home.git.release()
    home.run("sync", KEY)
    assert_home_right(home, index_clean(home, tmp_path / "clean-second"))


def test_the_command_is_killed_while_it_deletes(home: CommandHome, tmp_path: Path) -> None:
    """On a Qdrant server that has deleted the points and does not get to say so."""
    with QdrantRestServer(tmp_path / "qdrant") as qdrant:
        home.environment["INGESTION_QDRANT_URL"] = qdrant.url
        home.run("sync", KEY)
        home.push(CHANGE)
        is_silent = qdrant.stay_silent_next(1, on="/points/delete", after_effect=True)
        command = start_sync(home)
        wait_for(is_silent.is_set, "the deletion")
        kill(home, command)
        home.run("sync", KEY)
        assert_home_right(home, index_clean(home, tmp_path / "clean"))
