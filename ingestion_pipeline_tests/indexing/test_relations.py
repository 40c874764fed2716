"""How a branch's files belong together, from its history and graph to the state."""

from pathlib import Path

import pytest

from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.indexing.world import Index

FILES: Files = {
    "a.py": "import b\n\n\ndef one():\n    b.two()\n",
    "b.py": "def two():\n    pass\n",
    "c.py": "def three():\n    pass\n",
}


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    repository = GitRepository(tmp_path / "origin.git", FILES)
    repository.commit({"a.py": f"{FILES['a.py']}# x\n", "c.py": f"{FILES['c.py']}# x\n"}, "Say x")
    return repository


def _read(index: Index, branch: str = "main") -> FileRelations:
    relations = index.state.find_relations(index.row.source, branch)
    assert relations is not None
    return relations


def test_a_sync_stores_references_and_common_commits(tmp_path: Path, git: GitRepository) -> None:
    index = Index(tmp_path, git)
    index.sync()
    found = _read(index).find_neighbours("a.py")
    assert (found["b.py"].references, found["b.py"].commits) == (2, 0)
    assert (found["c.py"].references, found["c.py"].commits) == (0, 1)

    git.commit({"a.py": "import c\n", "c.py": FILES["c.py"], "b.py": None}, "Do away with b")
    index.sync()
    found = _read(index).find_neighbours("a.py")
    assert found.keys() == {"c.py"}
    assert (found["c.py"].references, found["c.py"].commits) == (1, 2)


def test_each_branch_has_its_own_and_loses_it_with_its_points(
    tmp_path: Path, git: GitRepository
) -> None:
    git.create_branch("next", git.head())
    git.commit({"b.py": "x = 1\n", "c.py": "y = 1\n"}, branch="next")
    index = Index(tmp_path, git)
    index.track("main", "next")
    index.sync()
    assert "c.py" not in _read(index).find_neighbours("b.py")
    assert _read(index, "next").find_neighbours("b.py")["c.py"].commits == 1
    index.track("main")
    index.sync()
    assert index.state.find_relations(index.row.source, "next") is None


def test_a_history_that_is_lost_or_damaged_stops_nobody(tmp_path: Path, git: GitRepository) -> None:
    index = Index(tmp_path, git)
    index.sync()
    for pack in (index.mirror.path / "changes" / "objects" / "pack").iterdir():
        pack.chmod(0o644)
        pack.write_bytes(b"something else")
    git.commit({"b.py": "def two():\n    return 2\n"})
    index.sync()
    assert _read(index).find_neighbours("a.py")["c.py"].commits == 1


def test_a_crash_before_they_are_stored_is_mended(tmp_path: Path, git: GitRepository) -> None:
    for at_write in range(50):
        index = Index(tmp_path / str(at_write), git)
        try:
            index.sync(CrashPlan(at_write, before=True))
        except Crash:
            index.sync()
            assert "c.py" in _read(index).find_neighbours("a.py")
        else:
            return
    pytest.fail("a sync of three files does not take fifty writes")
