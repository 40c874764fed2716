"""The code host port over GitHub."""

import base64
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code_host import (
    CodeHost,
    FetchSource,
    FreshnessReport,
    RateLimit,
    RemoteState,
)
from ingestion_pipeline.core.errors import HostNotAllowedError
from ingestion_pipeline.core.repositories import HostedRepository, SourceId, TrackedRepository
from ingestion_pipeline.sources.github.calls import Outcome, run_calls
from ingestion_pipeline.sources.github.graphql import (
    FRESHNESS_QUERY,
    REPOSITORIES_PER_CALL,
    GraphQLNotOfferedError,
    build_heads_query,
    read_data,
    read_freshness,
    read_heads,
    split_by_branches,
)
from ingestion_pipeline.sources.github.reference import (
    check_host,
    get_web_host,
    is_loopback,
    parse_api_url,
    parse_reference,
)
from ingestion_pipeline.sources.github.rest import GitHubRest
from ingestion_pipeline.sources.github.transport import GitHubTransport

_logger = logging.getLogger(__name__)


class GitHubCodeHost(CodeHost):
    """Repositories of github.com or of one Enterprise server.

    With a token, many repositories are asked for at once over GraphQL; without one (GraphQL needs
    one), or where a server has no GraphQL, one by one over REST with conditional requests.

    Safe to share between threads. Keep one object per process: connections and ETags live in it.

    Args:
        api_url: ``https://api.github.com``, or ``https://HOST/api/v3`` for Enterprise; http only
            to loopback.
        token: Never shown, and sent only to the API and to the web host that belongs to it.
        allowed_hosts: Hosts that repositories may be cloned from.
        timeout_seconds: For connecting to and for each silence of one call.
        clock: Tells the time.
        max_repositories_per_check: How many a check over REST asks for; the others take their turn
            in the next checks. Without a token GitHub allows 60 requests an hour.
        check_timeout_seconds: For one freshness check or one call for heads, all calls together.

    Raises:
        ConfigurationError: ``api_url`` is not one.
    """

    def __init__(
        self,
        *,
        api_url: str = "https://api.github.com",
        token: str | None = None,
        allowed_hosts: Collection[str] = ("github.com",),
        timeout_seconds: float = 15,
        clock: Clock,
        max_repositories_per_check: int = 50,
        check_timeout_seconds: float = 30,
    ) -> None:
        self._api = parse_api_url(api_url)
        self._web_host = get_web_host(self._api)
        self._token = token or ""
        self._allowed_hosts = tuple(allowed_hosts)
        self._clock = clock
        self._max_repositories_per_check = max_repositories_per_check
        self._check_timeout_seconds = check_timeout_seconds
        self._transport = GitHubTransport(self._api.geturl(), token, timeout_seconds)
        self._rest = GitHubRest(self._transport, clock)

    def __repr__(self) -> str:
        return f"GitHubCodeHost({self._api.geturl()}, token={'set' if self._token else 'unset'})"

    def find_repository(self, reference: str) -> HostedRepository:
        """Look a repository up by ``owner/name`` or URL; a renamed one is found by its old name.

        Raises:
            IngestionError: As the port says.
        """
        name = parse_reference(reference, self._web_host, self._allowed_hosts)
        return self._rest.read_repository(f"/repos/{name}", name)

    def refresh_repository(self, repository: TrackedRepository) -> HostedRepository:
        """Look a tracked repository up by its number, whatever it is called now.

        Raises:
            IngestionError: As the port says.
        """
        path = f"/repositories/{repository.source.stable_id}"
        return self._rest.read_repository(path, repository.partition_key)

    def check_freshness(self, repositories: Sequence[TrackedRepository]) -> FreshnessReport:
        """Ask for the state of many repositories: 100 per GraphQL call, a few calls at a time."""
        if not repositories:
            return FreshnessReport({})
        if self._can_use_graphql(repositories):
            try:
                return self._check_by_graphql(repositories)
            except GraphQLNotOfferedError:
                _logger.warning("%s offers no GraphQL; asking over REST", self._api.hostname)
        return self._check_by_rest(repositories)

    def get_branch_heads(
        self, repositories: Sequence[TrackedRepository]
    ) -> Mapping[SourceId, Mapping[str, str]]:
        """Return branch → head sha; why a repository is absent stands in the log."""
        if self._can_use_graphql(repositories):
            try:
                return self._get_heads_by_graphql(repositories)
            except GraphQLNotOfferedError:
                _logger.warning("%s offers no GraphQL; asking over REST", self._api.hostname)
        outcome = run_calls(
            repositories, self._rest.read_heads, deadline_seconds=self._check_timeout_seconds
        )
        self._log_errors(outcome)
        return {repository.source: heads for repository, heads in outcome.results}

    def get_fetch_source(self, repository: HostedRepository) -> FetchSource:
        """Return the clone URL, with the token only where its host belongs to the API.

        Raises:
            HostNotAllowedError: Not on ``INGESTION_ALLOWED_HOSTS``, or not https.
        """
        parts = urlsplit(repository.clone_url)
        host = parts.hostname or ""
        check_host(host, self._allowed_hosts)
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
        if not secure or "@" in parts.netloc:
            raise HostNotAllowedError(
                f"{repository.full_name} is to be cloned from {host} by {parts.scheme}, or with "
                "credentials in the URL. Only plain https URLs are fetched."
            )
        if not self._token or host != self._web_host:
            return FetchSource(repository.clone_url)
        login = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
        return FetchSource(repository.clone_url, f"Basic {login}")

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _can_use_graphql(self, repositories: Sequence[TrackedRepository]) -> bool:
        # An empty node id would be answered with NOT_FOUND, which is a status of its own.
        return bool(self._token) and all(r.hosted.node_id for r in repositories)

    def _check_by_graphql(self, repositories: Sequence[TrackedRepository]) -> FreshnessReport:
        size = REPOSITORIES_PER_CALL
        chunks = [repositories[i : i + size] for i in range(0, len(repositories), size)]
        outcome = run_calls(
            chunks,
            self._ask_for_freshness,
            deadline_seconds=self._check_timeout_seconds,
            stop_on=(GraphQLNotOfferedError,),
        )
        _raise_not_offered(outcome)
        reports = [report for _, report in outcome.results]
        states = {source: s for report in reports for source, s in report.states.items()}
        unclear = [r for chunk, _ in outcome.results for r in chunk if r.source not in states]
        by_rest = self._check_by_rest(unclear)
        states.update(by_rest.states)
        limits = [report.rate_limit for report in reports if report.rate_limit]
        problems = [str(error) for error in outcome.errors]
        return _make_report(repositories, states, limits, [*problems, by_rest.problem])

    def _ask_for_freshness(self, chunk: Sequence[TrackedRepository]) -> FreshnessReport:
        ids = [repository.hosted.node_id for repository in chunk]
        return read_freshness(chunk, self._ask_graphql(FRESHNESS_QUERY, {"ids": ids}))

    def _check_by_rest(self, repositories: Sequence[TrackedRepository]) -> FreshnessReport:
        chosen = self._rest.choose_next(repositories, self._max_repositories_per_check)
        outcome = run_calls(
            chosen, self._rest.read_state, deadline_seconds=self._check_timeout_seconds
        )
        states = {repository.source: state for repository, (state, _) in outcome.results}
        limits = [limit for _, (_, limit) in outcome.results if limit]
        problems = [str(error) for error in outcome.errors]
        if len(chosen) < len(repositories):
            problems.append(
                f"Without GraphQL, {len(chosen)} are asked for in one check and the others take "
                "their turn; with INGESTION_GITHUB_TOKEN set, all are asked for at once."
            )
        return _make_report(repositories, states, limits, problems)

    def _get_heads_by_graphql(
        self, repositories: Sequence[TrackedRepository]
    ) -> Mapping[SourceId, Mapping[str, str]]:
        outcome = run_calls(
            list(split_by_branches(repositories)),
            self._ask_for_heads,
            deadline_seconds=self._check_timeout_seconds,
            stop_on=(GraphQLNotOfferedError,),
        )
        _raise_not_offered(outcome)
        self._log_errors(outcome)
        return {source: heads for _, chunk in outcome.results for source, heads in chunk.items()}

    def _ask_for_heads(self, chunk: Sequence[TrackedRepository]) -> dict[SourceId, dict[str, str]]:
        return read_heads(chunk, self._ask_graphql(*build_heads_query(chunk)))

    def _ask_graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        return read_data(self._transport.post_graphql(query, variables), self._clock)

    def _log_errors(self, outcome: Outcome[Any, Any]) -> None:
        for error in outcome.errors:
            _logger.warning("Heads of some repositories could not be asked for: %s", error)


def _raise_not_offered(outcome: Outcome[Any, Any]) -> None:
    for error in outcome.errors:
        if isinstance(error, GraphQLNotOfferedError):
            raise error


def _make_report(
    repositories: Sequence[TrackedRepository],
    states: Mapping[SourceId, RemoteState],
    limits: Sequence[RateLimit],
    problems: Sequence[str],
) -> FreshnessReport:
    missing = sum(repository.source not in states for repository in repositories)
    problem = " ".join(filter(None, problems))
    if missing:
        problem = f"{missing} of {len(repositories)} repositories were not answered: {problem}"
    tightest = min(limits, key=lambda limit: limit.remaining, default=None)
    return FreshnessReport(states, tightest, problem)
