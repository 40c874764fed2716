"""Tracked repositories for the tests, made from what the fake GitHub holds."""

from ingestion_pipeline.core.repositories import (
    HostedRepository,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline_tests.servers.github import FakeGitHubServer


def add_tracked(
    server: FakeGitHubServer, full_name: str, branches: tuple[str, ...] = ()
) -> TrackedRepository:
    """Create a repository on the server and return it as tracked, without asking the server."""
    repository = server.add_repository(full_name)
    hosted = HostedRepository(
        source=SourceId(SourceKind.GITHUB, str(repository.number)),
        node_id=repository.node_id,
        full_name=full_name,
        clone_url=f"{server.origin}/{full_name}.git",
        web_url=f"{server.origin}/{full_name}",
        default_branch="main",
        pushed_at=repository.pushed_at,
    )
    return TrackedRepository(partition_key=full_name, hosted=hosted, branches=branches)


def add_many(server: FakeGitHubServer, count: int) -> list[TrackedRepository]:
    """Create ``octo/r0``, ``octo/r1`` …."""
    return [add_tracked(server, f"octo/r{i}") for i in range(count)]
