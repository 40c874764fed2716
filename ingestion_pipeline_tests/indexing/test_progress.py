"""How far a run says it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from ingestion_pipeline.indexing.progress import (
    INTERVAL_SECONDS,
    Progress,
    Snapshot,
    tell_progress,
)
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.indexing.world import Index

STAGES = ("clone", "parse", "embed", "upsert")


class HeardProgress(Progress):
    """Progress that remembers all that it said, with that of the steps before it.

    Args:
        stage: Name of the step.
        heard: All of it.
    """

    def __init__(self, stage: str, heard: list[Snapshot]) -> None:
        self._heard = heard
        super().__init__(stage)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if isinstance(value, Snapshot):
            self._heard.append(value)


def test_progress_is_told_every_interval_and_at_the_end() -> None:
    told: list[Snapshot] = []
    with tell_progress("parse", (told.append,), interval_seconds=0.001) as progress:
        progress.start(2, "begin")
        while not told:
            progress.advance("a.py", by=0)
        progress.advance("b.py", by=2)
    assert told[-1] == Snapshot("parse", 2, 2, "b.py")


def test_a_listener_that_fails_is_not_asked_again_and_the_step_goes_on() -> None:
    told: list[Snapshot] = []
    calls: list[int] = []

    def fail(_snapshot: Snapshot) -> None:
        calls.append(1)
        raise OSError("no disk")

    with tell_progress("parse", (fail, told.append), interval_seconds=0.001) as progress:
        while len(told) < 3:
            progress.advance("a.py")
    assert len(calls) == 1


def test_progress_is_told_at_least_once_a_second() -> None:
    assert INTERVAL_SECONDS < 1


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "origin.git", {"a.py": "def one():\n    pass\n"})


@pytest.mark.parametrize("stage", STAGES)
def test_branches_are_equal_parts_of_a_stage(stage: str) -> None:
    progress = Progress(stage)
    seen: list[int] = []
    for branch in progress.share_among(["main", "stable"]):
        progress.start(2, branch)
        for path in ("a.py", "b.py", "more than there were.py"):
            seen.append(progress.snapshot.percentage)
            progress.advance(path)
        seen.append(progress.snapshot.percentage)
    begin, end = seen[0], seen[-1]
    middle = (begin + end) / 2
    assert seen == sorted(seen)
    assert seen[3] == seen[4] == pytest.approx(middle, abs=1)


def test_a_stage_begins_where_the_one_before_it_ends() -> None:
    ends = [replace(Snapshot(stage), done=1, total=1).percentage for stage in STAGES]
    begins = [Snapshot(stage).percentage for stage in STAGES]
    assert begins == [0, *ends[:-1]]
    assert ends[-1] == 99


def test_the_percentage_of_a_sync_never_goes_back(tmp_path: Path, git: GitRepository) -> None:
    index, heard = Index(tmp_path / "index", git), list[Snapshot]()
    git.git("branch", "stable", "HEAD")
    git.commit({f"more/f{number}.py": f"def f{number}(): pass\n" for number in range(9)})
    index.track("main", "stable")
    index.make_progress = lambda stage: HeardProgress(stage, heard)
    index.sync()
    seen = [snapshot.percentage for snapshot in heard]
    assert {(snapshot.stage, snapshot.part) for snapshot in heard} >= {
        (stage, part) for stage in STAGES[1:] for part in (0, 1)
    }
    assert seen == sorted(seen)
    assert seen[-1] == 99


def test_branches_that_stayed_as_they_were_take_no_share(
    tmp_path: Path, git: GitRepository
) -> None:
    index, heard = Index(tmp_path / "index", git), list[Snapshot]()
    for name in ("a", "b", "z"):
        git.git("branch", name, "HEAD")
    index.track("a", "b", "main", "z")
    index.sync()
    git.commit({"b.py": "def two():\n    pass\n"})
    index.make_progress = lambda stage: HeardProgress(stage, heard)
    index.sync()
    assert {snapshot.parts for snapshot in heard} == {1}
    assert next(s.percentage for s in heard if s.stage == "upsert") == 55
