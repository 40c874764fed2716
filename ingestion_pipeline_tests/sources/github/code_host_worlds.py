"""The worlds that the code host contract runs in: a host, and the means to change what it sees."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.code_host import CodeHost, RateLimit
from ingestion_pipeline.core.errors import (
    AuthenticationError,
    HostUnavailableError,
    RateLimitedError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
)
from ingestion_pipeline.sources.github import GitHubCodeHost
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted, make_sha
from ingestion_pipeline_tests.servers.github import FakeGitHubServer

TOKEN = "ghp_a-token-that-must-not-be-shown"
RESETS_AT = datetime(2026, 1, 31, 13, 0, tzinfo=UTC)


class CodeHostWorld(ABC):
    """One host and its surroundings.

    A host that lacks a thing (a local folder is never blocked) leaves the method alone: the test
    is then skipped with the reason.
    """

    name: str
    host: CodeHost
    other_host_reference: str | None = "https://gitlab.example.com/octo/cat"

    @abstractmethod
    def add(self, full_name: str, branches: tuple[str, ...] = ("main",)) -> None:
        """Create a repository with one commit on each branch."""

    @abstractmethod
    def push(self, full_name: str, branch: str = "main") -> str:
        """Commit to a branch and return the sha."""

    @abstractmethod
    def delete(self, full_name: str) -> None:
        """Remove it."""

    def get_reference(self, full_name: str) -> str:
        """Return what a person types for it."""
        return full_name

    def push_elsewhere(self, full_name: str) -> None:
        self._lacks("pull requests")

    def rename(self, old: str, new: str) -> None:
        self._lacks("renames")

    def archive(self, full_name: str) -> None:
        self._lacks("archives")

    def block(self, full_name: str) -> None:
        self._lacks("blocks")

    def forbid(self, full_name: str) -> None:
        self._lacks("rights")

    def break_down(self) -> None:
        self._lacks("outages")

    def exhaust_rate_limit(self) -> None:
        self._lacks("rate limits")

    def refuse_token(self) -> None:
        self._lacks("tokens")

    def _lacks(self, what: str) -> NoReturn:
        pytest.skip(f"{self.name} knows no {what}")


class FakeWorld(CodeHostWorld):
    """The in-memory fake."""

    name = "fake"

    def __init__(self) -> None:
        self._fake = FakeCodeHost(rate_limit=RateLimit(10, 60, RESETS_AT))
        self.host = self._fake
        self._count = 0

    def add(self, full_name: str, branches: tuple[str, ...] = ("main",)) -> None:
        heads = {branch: make_sha(f"{full_name} {branch}") for branch in branches}
        self._count += 1
        self._fake.add(make_hosted(full_name, self._count, self._get_moment()), heads)

    def push(self, full_name: str, branch: str = "main") -> str:
        moment = self._get_moment()
        self._fake.push(full_name, branch, make_sha(moment), moment)
        return make_sha(moment)

    def delete(self, full_name: str) -> None:
        self._fake.refuse(full_name, RepositoryNotFoundError("does not exist or is private"))

    def push_elsewhere(self, full_name: str) -> None:
        self._fake.push_elsewhere(full_name, self._get_moment())

    def rename(self, old: str, new: str) -> None:
        self._fake.rename(old, new)

    def archive(self, full_name: str) -> None:
        self._fake.archive(full_name)

    def block(self, full_name: str) -> None:
        self._fake.refuse(full_name, RepositoryBlockedError("blocked: dmca"))

    def forbid(self, full_name: str) -> None:
        self._fake.refuse(full_name, RepositoryForbiddenError("may not be read"))

    def break_down(self) -> None:
        self._fake.break_down(HostUnavailableError("502"))

    def exhaust_rate_limit(self) -> None:
        self._fake.break_down(RateLimitedError("rate limit", RESETS_AT))

    def refuse_token(self) -> None:
        self._fake.break_down(AuthenticationError("INGESTION_GITHUB_TOKEN is wrong"))

    def _get_moment(self) -> str:
        self._count += 1
        return format_utc(START + timedelta(seconds=self._count))


class GitHubWorld(CodeHostWorld):
    """The real adapter in front of the GitHub server of the tests."""

    def __init__(self, server: FakeGitHubServer, *, with_token: bool) -> None:
        self.name = "GitHub over GraphQL" if with_token else "GitHub over REST"
        self.server = server
        self._with_token = with_token
        self.adapter = make_github_host(server, token=TOKEN if with_token else None)
        self.host = self.adapter

    def add(self, full_name: str, branches: tuple[str, ...] = ("main",)) -> None:
        self.server.add_repository(full_name, {b: make_sha(f"{full_name} {b}") for b in branches})

    def push(self, full_name: str, branch: str = "main") -> str:
        return self.server.push(full_name, branch)

    def delete(self, full_name: str) -> None:
        self.server.delete(full_name)

    def push_elsewhere(self, full_name: str) -> None:
        self.server.push_pull_request(full_name)

    def rename(self, old: str, new: str) -> None:
        self.server.rename(old, new)

    def archive(self, full_name: str) -> None:
        self.server.archive(full_name)

    def block(self, full_name: str) -> None:
        self.server.block(full_name)

    def forbid(self, full_name: str) -> None:
        self.server.forbid(full_name)

    def break_down(self) -> None:
        self.server.fail(502)

    def exhaust_rate_limit(self) -> None:
        self.server.exhaust_rate_limit(RESETS_AT)

    def refuse_token(self) -> None:
        if not self._with_token:
            self._lacks("tokens")
        self.server.revoke_tokens()


def make_github_host(
    server: FakeGitHubServer,
    *,
    token: str | None = TOKEN,
    timeout_seconds: float = 10,
    max_repositories_per_check: int = 50,
    check_timeout_seconds: float = 30,
) -> GitHubCodeHost:
    """Return the adapter for a server of the tests."""
    return GitHubCodeHost(
        api_url=server.api_url,
        token=token,
        allowed_hosts=("127.0.0.1",),
        timeout_seconds=timeout_seconds,
        clock=FakeClock(),
        max_repositories_per_check=max_repositories_per_check,
        check_timeout_seconds=check_timeout_seconds,
    )
