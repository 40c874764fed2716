"""A repository, a server and a mirror for the tests of git."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestion_pipeline.sources.git import GitLimits, GitMirror
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.servers.git_http import GitHttpServer

MEBIBYTE = 2**20
LIMITS = GitLimits(max_repository_bytes=20 * MEBIBYTE, max_file_bytes=MEBIBYTE, timeout_seconds=60)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """``owner/name`` with two files on main."""
    files = {"README.md": "# Hello\n", "src/app.py": "print('hello')\n"}
    return GitRepository(tmp_path / "served" / "owner" / "name.git", files)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHttpServer]:
    """A server over everything below ``served``."""
    (tmp_path / "served").mkdir(exist_ok=True)
    with GitHttpServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def make_mirror(tmp_path: Path) -> Callable[..., GitMirror]:
    """Open the same mirror folder, by default with ``LIMITS``."""
    return lambda limits=LIMITS, name="github-1.git": GitMirror(tmp_path / "mirrors" / name, limits)


@pytest.fixture
def mirror(make_mirror: Callable[..., GitMirror]) -> GitMirror:
    """A mirror that was never fetched."""
    return make_mirror()
