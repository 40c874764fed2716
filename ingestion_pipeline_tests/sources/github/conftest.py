"""A GitHub server and the adapter in front of it."""

from collections.abc import Iterator

import pytest

from ingestion_pipeline.sources.github import GitHubCodeHost
from ingestion_pipeline_tests.servers.github import FakeGitHubServer
from ingestion_pipeline_tests.sources.github.code_host_worlds import TOKEN, make_github_host


@pytest.fixture(scope="session")
def running_server() -> Iterator[FakeGitHubServer]:
    with FakeGitHubServer(tokens=(TOKEN,)) as running:
        yield running


@pytest.fixture
def server(running_server: FakeGitHubServer) -> FakeGitHubServer:
    running_server.reset()
    return running_server


@pytest.fixture
def host(server: FakeGitHubServer) -> Iterator[GitHubCodeHost]:
    adapter = make_github_host(server)
    yield adapter
    adapter.close()


@pytest.fixture
def anonymous(server: FakeGitHubServer) -> Iterator[GitHubCodeHost]:
    adapter = make_github_host(server, token=None)
    yield adapter
    adapter.close()
