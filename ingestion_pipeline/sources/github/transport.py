"""How GitHub is spoken to: PyGithub's requester, one per thread at a time, never sleeping.

PyGithub 2.10 by itself waits a quarter of a second between requests and sleeps until the rate limit
resets (``GithubRetry``), which may take an hour; both are off, because a sensor tick and an op must
end and Dagster does the waiting. Its object layer parses ``pushed_at`` into a datetime, drops
ETags and raises on the partial errors of GraphQL, so requests go through ``requestJson``, one
level below it. What stays PyGithub's: base URLs of Enterprise servers, authentication,
connection pooling and renames (301 followed on the same host only).
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from github import Auth
from github.Requester import Requester
from urllib3.util import Retry

from ingestion_pipeline.core.errors import HostUnavailableError
from ingestion_pipeline.sources.github.answers import Answer

# GitHub answers single requests with 502 or 503 every now and then. One more try at once, no
# waiting; a timeout is not tried again, so that a call lasts at most one time limit.
_ONE_RETRY_ON_5XX = Retry(
    total=1,
    connect=0,
    read=False,  # raised as the timeout that it is
    other=0,
    status=1,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=("GET", "POST"),  # POST is GraphQL, and every query of ours only reads
    respect_retry_after_header=False,
    raise_on_status=False,
)


class GitHubTransport:
    """Sends requests to one GitHub API, from any number of threads.

    PyGithub's connection object keeps the request on itself between two calls, so two threads
    must never share one (https://github.com/PyGithub/PyGithub/pull/2052): requesters are taken
    from a stack for the time of one request and put back with their open connection.

    Args:
        api_url: REST base URL without a trailing slash.
        token: Never shown; None or "" asks without one.
        timeout_seconds: For connecting and for each silence while reading.
    """

    def __init__(self, api_url: str, token: str | None, timeout_seconds: float) -> None:
        self._api_url = api_url
        self._auth = Auth.Token(token) if token else None
        self._timeout_seconds = timeout_seconds
        self._idle: deque[Requester] = deque()

    def get(self, path: str, etag: str = "") -> Answer:
        """Send a GET; redirects of renamed repositories are followed.

        Args:
            path: Below the base URL, beginning with ``/``.
            etag: Makes the request conditional: 304 when nothing changed since.

        Raises:
            HostUnavailableError: No answer.
        """
        with self._borrow() as requester:
            return self._send(requester, "GET", path, {"If-None-Match": etag} if etag else {})

    def post_graphql(self, query: str, variables: Mapping[str, Any]) -> Answer:
        """Send a GraphQL query.

        Raises:
            HostUnavailableError: No answer.
        """
        with self._borrow() as requester:
            body = {"query": query, "variables": dict(variables)}
            return self._send(requester, "POST", requester.graphql_url, {}, body)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _borrow(self) -> Iterator[Requester]:
        requester = self._idle.pop() if self._idle else self._open()
        try:
            yield requester
        finally:
            self._idle.append(requester)

    def _open(self) -> Requester:
        return Requester(
            auth=self._auth,
            base_url=self._api_url,
            timeout=self._timeout_seconds,  # pyright: ignore[reportArgumentType] floats work
            user_agent="ingestion-pipeline",
            per_page=100,
            verify=True,
            retry=_ONE_RETRY_ON_5XX,
            pool_size=1,
        )

    def _send(
        self,
        requester: Requester,
        verb: str,
        url: str,
        headers: dict[str, str],
        body: dict[str, Any] | None = None,
    ) -> Answer:
        try:
            status, answer_headers, text = requester.requestJson(
                verb, url, headers={"Accept": "application/vnd.github+json", **headers}, input=body
            )
            return Answer(status, answer_headers, text)
        except (requests.RequestException, RuntimeError) as cause:
            error = self._make_error(cause, requester.hostname)
        # Raised out here, so that it does not drag its cause along: a requests exception carries
        # the request and so the token.
        raise error

    def _make_error(self, cause: Exception, host: str) -> HostUnavailableError:
        if isinstance(cause, requests.Timeout):
            return HostUnavailableError(
                f"{host} did not answer within {self._timeout_seconds:g} s. Try again later, or "
                "raise INGESTION_GITHUB_TIMEOUT_SECONDS."
            )
        if isinstance(cause, requests.RequestException):
            return HostUnavailableError(
                f"{host} cannot be reached ({type(cause).__name__}). Check the network, proxies "
                "and INGESTION_GITHUB_API_URL."
            )
        # PyGithub refuses to follow a redirect to another host or scheme with a RuntimeError.
        return HostUnavailableError(f"{host} redirected somewhere it should not: {cause}")
