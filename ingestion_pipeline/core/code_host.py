"""The code host port: what GitHub and its like must answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    TrackedRepository,
)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What is left of the host's allowance."""

    remaining: int
    limit: int
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What a host says about one tracked repository in a freshness check.

    Args:
        source: Which repository.
        status: Active, or why it cannot be synced.
        detail: The host's message behind a status other than active.
        full_name: ``owner/name`` now, "" when unknown (gone).
        pushed_at: The host's own string.
        default_branch: Name now.
        heads: Branch name to commit sha, for as many of the tracked branches as the check learnt
            for nothing; a branch that is missing here was not looked at.
    """

    source: SourceId
    status: RepositoryStatus
    detail: str = ""
    full_name: str = ""
    pushed_at: str | None = None
    default_branch: str = ""
    heads: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class FreshnessReport:
    """The answers of one batched freshness check.

    Args:
        states: Per source; a repository without an entry could not be asked this time.
        rate_limit: The allowance after the check, None where the host has none.
        problem: Why some or all could not be asked (outage, rate limit, token); "" when all were.
    """

    states: Mapping[SourceId, RemoteState]
    rate_limit: RateLimit | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FetchSource:
    """Where git fetches from.

    Args:
        url: http(s) URL without credentials, or an absolute path.
        authorization: Value of the HTTP ``Authorization`` header, "" for none. Never shown.
    """

    url: str
    authorization: str = field(default="", repr=False)


class CodeHost(ABC):
    """A place where repositories live."""

    @abstractmethod
    def find_repository(self, reference: str) -> HostedRepository:
        """Look a repository up by what a person typed.

        Args:
            reference: ``owner/name`` or a URL for GitHub; a path for local repositories.

        Raises:
            InvalidRepositoryNameError: Malformed.
            HostNotAllowedError: A URL to a host that is not configured.
            RepositoryUnavailableError: 404, 403 or 451; one of its three kinds.
            AuthenticationError: The token is wrong or expired.
            RateLimitedError: The allowance is used up.
            HostUnavailableError: No answer, or 5xx.
        """

    @abstractmethod
    def refresh_repository(self, repository: TrackedRepository) -> HostedRepository:
        """Look a tracked repository up again by its stable id, following renames.

        Raises:
            The errors of ``find_repository``, except the first two.
        """

    @abstractmethod
    def check_freshness(self, repositories: Sequence[TrackedRepository]) -> FreshnessReport:
        """Ask for the state of many repositories in as few calls as possible.

        Never raises for one repository's sake: partial answers are used, and what could not be
        asked is absent from the report, with the reason in ``problem``.
        """

    @abstractmethod
    def get_branch_heads(
        self, repositories: Sequence[TrackedRepository]
    ) -> Mapping[SourceId, Mapping[str, str]]:
        """Return branch name → head sha for every tracked branch that exists.

        A repository that could not be asked is absent; a branch that does not exist is absent.
        """

    @abstractmethod
    def get_fetch_source(self, repository: HostedRepository) -> FetchSource:
        """Return where git fetches this repository from.

        Raises:
            HostNotAllowedError: The clone URL's host is not configured.
        """
