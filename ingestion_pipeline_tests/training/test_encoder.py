"""One training at a time, taken up again after a kill, and nothing half written on a full disk."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion_pipeline.composition import open_services
from ingestion_pipeline.core.errors import ConfigurationError, TrainingBusyError
from ingestion_pipeline.core.repositories import SourceKind
from ingestion_pipeline.embed.installed import install_encoder, load_installed_weights
from ingestion_pipeline.embed.weights import digest_weights
from ingestion_pipeline.settings import Settings
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.encoder import Sides, hold_out, train_encoder
from ingestion_pipeline.training.train import train
from ingestion_pipeline_tests.embed.trained import make_trained_weights
from ingestion_pipeline_tests.faults.small_disk import mount_small_disk
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.training import killed_training
from ingestion_pipeline_tests.training.histories import make_history
from ingestion_pipeline_tests.training.killed_training import OPTIONS, train_tracked

KIB = 1024


def ignore_step(_step: int, _losses: dict[str, float]) -> None:
    pass


def make_home(folder: Path, histories: dict[str, GitRepository]) -> Path:
    """Return a home in which these repositories are tracked."""
    folder.mkdir()
    for git in histories.values():
        track(folder, git)
    return folder


def track(home: Path, git: GitRepository) -> None:
    with open_services(Settings(home=home)) as services:
        track_repository(
            *(str(git.path), None, services.hosts, services.state, services.clock),
            SourceKind.LOCAL,
        )


@pytest.fixture
def histories(tmp_path: Path) -> dict[str, GitRepository]:
    return {
        "offices": make_history(tmp_path / "offices.git", ("mail", "tax", "map")),
        "others": make_history(tmp_path / "others.git", ("seed", "clock", "tax")),
    }


@pytest.mark.slow
def test_a_killed_training_goes_on_with_the_histories_that_it_began_with(
    tmp_path: Path, histories: dict[str, GitRepository]
) -> None:
    whole, steps, _ = train_tracked(make_home(tmp_path / "whole", histories))
    assert steps == [1, 2, 3, 4, 5, 6]
    home = make_home(tmp_path / "killed", histories)
    command = [sys.executable, "-m", killed_training.__name__, str(home), "5"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    histories["offices"].commit({"src/mail.py": "def mail():\n    pass\n"}, "Push meanwhile")
    track(home, make_history(tmp_path / "latecomers.git", ("bank", "seed")))
    resumed, steps, told = train_tracked(home)
    assert steps == [4, 5, 6]
    assert [line for line in told if "took no part when the training began" in line]
    assert digest_weights(resumed.trained.weights) == digest_weights(whole.trained.weights)
    assert resumed.trained.curves == whole.trained.curves
    left = {path.name for path in resumed.path.parent.iterdir()}
    version = resumed.trained.weights.version
    assert left == {f"{version}.npz", f"{version}.png", "training.lock"}


def test_one_training_at_a_time(tmp_path: Path) -> None:
    refused: list[str] = []

    def read(_checkpoint: Path) -> Sides:
        with pytest.raises(TrainingBusyError) as second:
            train_encoder(tmp_path, "", OPTIONS, "cpu", read, ignore_step)
        refused.append(str(second.value))
        return Sides([], [])

    for _ in range(2):  # the lock goes with the training
        with pytest.raises(ConfigurationError, match="at least one of each"):
            train_encoder(tmp_path, "mine-1", OPTIONS, "cpu", read, ignore_step)
    assert f"Another training is under way in {tmp_path}" in refused[1]


@pytest.mark.parametrize("free_kib", [64, 100_000])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, offices: Repository, others: Repository, free_kib: int
) -> None:
    """No room for the checkpoint at first; then for part of it."""
    sides = Sides([offices], [others])
    folder = tmp_path / "disk"
    with mount_small_disk(folder) as disk:
        before = install_encoder(folder, make_trained_weights("before-1"))
        disk.leave(free_kib * KIB)
        with pytest.raises(ConfigurationError, match="Make room"):
            train_encoder(folder, "mine-1", OPTIONS, "cpu", lambda _: sides, ignore_step)
        assert {path.name for path in folder.iterdir()} == {before.name, "training.lock"}
        load_installed_weights(folder, "before-1")
        disk.resize()
        done = train_encoder(folder, "mine-1", OPTIONS, "cpu", lambda _: sides, ignore_step)
        assert done.path.exists()


def test_a_disk_that_is_full_in_the_end_keeps_the_checkpoint(
    tmp_path: Path, offices: Repository, others: Repository
) -> None:
    sides = Sides([offices], [others])
    folder = tmp_path / "disk"
    steps: list[int] = []

    def report(step: int, _losses: dict[str, float]) -> None:
        steps.append(step)

    with mount_small_disk(folder) as disk:
        checkpoint = folder / "training.ckpt"
        train([offices], [others], OPTIONS, device="cpu", checkpoint=checkpoint)
        disk.leave(64 * KIB)
        with pytest.raises(ConfigurationError, match="goes on where it last looked"):
            train_encoder(folder, "mine-1", OPTIONS, "cpu", lambda _: sides, report)
        assert {path.name for path in folder.iterdir()} == {"training.ckpt", "training.lock"}
        disk.resize()
        train_encoder(folder, "mine-1", OPTIONS, "cpu", lambda _: sides, report)
        assert load_installed_weights(folder, "mine-1").facts["repositories"] == ["offices"]
    assert steps == []  # all were taken before; only the weights were not written


def test_each_fifth_repository_is_held_out(offices: Repository) -> None:
    repositories = [replace(offices, name=str(number)) for number in range(8)]
    sides = hold_out(repositories)
    assert [one.name for one in sides.held_out] == ["1", "6"]
    assert [one.name for one in sides.learnt] == ["0", "2", "3", "4", "5", "7"]
    sides = hold_out(repositories, ["3"])
    assert [one.name for one in sides.held_out] == ["3"]
    assert len(sides.learnt) == 7
