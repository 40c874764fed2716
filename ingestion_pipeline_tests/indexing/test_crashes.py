"""The oracle: after a crash at any write the next sync leaves what a clean index holds.

Whatever happened between the two: nothing, a force push, another push, a lost state or store.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.indexing.world import SPEC, Index

FIRST: Files = {
    "a.py": "def one():\n    two()\n",
    "b.py": "def two():\n    pass\n\n\ndef three():\n    pass\n",
    "lib/c.go": "package lib\n\nfunc Four() {}\n",
}
SECOND: Files = {"b.py": "def two():\n    return 2\n", "d.rb": "def five\nend\n", "lib/c.go": None}
Prepare = Callable[["Index", GitRepository], None]


def stay(_index: Index, _git: GitRepository) -> None:
    """Nothing happens between the crash and the next run."""


def go_back(_index: Index, git: GitRepository) -> None:
    """The push is taken back by force."""
    git.commit(FIRST, orphan=True)


def go_on(_index: Index, git: GitRepository) -> None:
    """Another push removes a file that the crashed sync was adding."""
    git.commit({"d.rb": None, "e.sh": "greet() { echo hi; }\n"})


def lose_the_state(index: Index, _git: GitRepository) -> None:
    """The state's database is gone."""
    index.state = FakeStateStore([index.row])


def lose_the_store(index: Index, _git: GitRepository) -> None:
    """The collection is gone."""
    index.store = FakePointStore([SPEC])


@pytest.mark.parametrize("meanwhile", [stay, go_back, go_on, lose_the_state, lose_the_store])
def test_a_crash_at_any_write_is_mended_by_the_next_sync(
    tmp_path: Path, meanwhile: Prepare
) -> None:
    """Dying before write k + 1 is dying after write k, so one of the two is enough."""
    expected: Mapping[str, Any] = {}
    for at_write in range(100):
        folder = tmp_path / str(at_write)
        git = GitRepository(folder / "origin.git", FIRST)
        index = Index(folder, git)
        index.sync()
        git.commit(SECOND)
        plan = CrashPlan(at_write, before=True)
        try:
            index.sync(plan)
        except Crash:
            pass
        else:
            assert plan.writes == at_write, "every write was crashed at, one after another"
            assert at_write >= 5
            return
        meanwhile(index, git)
        index.sync()
        if not expected:
            clean = Index(folder / "clean", git)
            clean.sync()
            expected = clean.points()
        assert index.points() == expected
        assert index.state.count_points(index.row.source) == len(expected)
    pytest.fail("a sync of five files does not take a hundred writes")


def test_the_first_sync_is_resumed_and_not_begun_again(tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "origin.git", FIRST)
    index = Index(tmp_path, git)
    with pytest.raises(Crash):
        index.sync(CrashPlan(4, before=True))
    written = set(index.store.upserted_ids)
    assert written
    count = len(index.store.upserted_ids)
    index.sync()
    again = set(index.store.upserted_ids[count:])
    assert len(again & written) == 0
    assert set(index.points()) == written | again
