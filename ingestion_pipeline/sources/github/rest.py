"""REST: one repository's answer as our types, and the freshness check without GraphQL.

Endpoints: https://docs.github.com/en/rest/repos/repos#get-a-repository (by name, and by number as
renames redirect to) and https://docs.github.com/en/rest/branches/branches#get-a-branch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code_host import RateLimit, RemoteState
from ingestion_pipeline.core.errors import (
    HostUnavailableError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.sources.github.answers import Answer, make_error, read_rate_limit
from ingestion_pipeline.sources.github.graphql import ARCHIVED_DETAIL, DISABLED_DETAIL
from ingestion_pipeline.sources.github.transport import GitHubTransport

_STATUS_OF_ERROR: Mapping[type[RepositoryUnavailableError], RepositoryStatus] = {
    RepositoryNotFoundError: RepositoryStatus.NOT_FOUND,
    RepositoryForbiddenError: RepositoryStatus.FORBIDDEN,
    RepositoryBlockedError: RepositoryStatus.BLOCKED,
}


@dataclass
class GitHubRest:
    """Reads single repositories over REST.

    The ETags of earlier checks are kept in memory, one per repository: an answer of 304 costs
    nothing of a token's allowance.

    Args:
        transport: Sends the requests.
        clock: For rate limits.
    """

    transport: GitHubTransport
    clock: Clock
    _known: dict[SourceId, tuple[str, HostedRepository]] = field(
        default_factory=dict[SourceId, tuple[str, HostedRepository]], init=False, repr=False
    )
    _asked: dict[SourceId, int] = field(default_factory=dict[SourceId, int], init=False, repr=False)
    _turns: "count[int]" = field(default_factory=count, init=False, repr=False)

    def read_repository(self, path: str, subject: str) -> HostedRepository:
        """Return the repository at ``/repos/{owner}/{name}`` or ``/repositories/{id}``.

        Raises:
            IngestionError: As ``make_error``; ``HostUnavailableError`` for an unreadable body.
        """
        answer = self.transport.get(path)
        self._check(answer, subject)
        return self._read_hosted(answer, subject)

    def read_head(self, full_name: str, branch: str) -> str:
        """Return the sha at the head of a branch, "" when there is no such branch.

        Raises:
            IngestionError: As ``make_error``, for every other answer.
        """
        answer = self.transport.get(f"/repos/{full_name}/branches/{quote(branch, safe='')}")
        # 404 is the answer for a missing repository too, which callers have read just before.
        if answer.status == 404:
            return ""
        self._check(answer, f"branch {branch} of {full_name}")
        body = answer.read_object()
        # A renamed branch redirects to its new name: the name asked for is gone.
        return body["commit"]["sha"] if body.get("name") == branch else ""

    def read_heads(self, repository: TrackedRepository) -> dict[str, str]:
        """Return branch → sha of the tracked branches that exist.

        Raises:
            IngestionError: As ``read_repository`` and ``read_head``.
        """
        path = f"/repositories/{repository.source.stable_id}"
        now = self.read_repository(path, repository.partition_key)
        heads = {b: self.read_head(now.full_name, b) for b in repository.tracked_branches}
        return {branch: sha for branch, sha in heads.items() if sha}

    def choose_next(
        self, repositories: Sequence[TrackedRepository], limit: int
    ) -> list[TrackedRepository]:
        """Return at most ``limit`` repositories, those first that were not asked for longest."""
        return sorted(repositories, key=lambda r: self._asked.get(r.source, -1))[:limit]

    def read_state(self, repository: TrackedRepository) -> tuple[RemoteState, RateLimit | None]:
        """Return what GitHub says of one tracked repository, and the allowance left.

        Raises:
            IngestionError: As ``make_error``, except that a repository which is gone, forbidden or
                blocked is a state.
        """
        source = repository.source
        etag, known = self._known.get(source, ("", None))
        answer = self.transport.get(f"/repositories/{source.stable_id}", etag)
        try:
            if answer.status != 304 or known is None:
                self._check(answer, repository.partition_key)
                known = self._read_hosted(answer, repository.partition_key)
                self._known[source] = (answer.headers.get("etag", ""), known)
            state = _make_state(source, known)
        except RepositoryUnavailableError as error:
            state = RemoteState(source, _STATUS_OF_ERROR[type(error)], str(error))
        self._asked[source] = next(self._turns)
        return state, read_rate_limit(answer.headers)

    def _check(self, answer: Answer, subject: str) -> None:
        error = make_error(answer, subject, self.clock)
        if error:
            raise error

    def _read_hosted(self, answer: Answer, subject: str) -> HostedRepository:
        body = answer.read_object()
        try:
            hosted = _make_hosted(body)
        except KeyError as missing:
            raise HostUnavailableError(
                f"GitHub's answer for {subject} lacks {missing}. Check INGESTION_GITHUB_API_URL."
            ) from None
        # REST names a default branch even when nothing was ever pushed. The size is 0 then, but
        # also for a while after the first push, so the branch itself decides.
        if body.get("size") == 0 and not self.read_head(hosted.full_name, hosted.default_branch):
            return _make_hosted({**body, "default_branch": ""})
        return hosted


def _make_hosted(body: Mapping[str, Any]) -> HostedRepository:
    status = RepositoryStatus.ARCHIVED if body["archived"] else RepositoryStatus.ACTIVE
    return HostedRepository(
        source=SourceId(SourceKind.GITHUB, str(body["id"])),
        node_id=body["node_id"],
        full_name=body["full_name"],
        clone_url=body["clone_url"],
        web_url=body["html_url"],
        default_branch=body["default_branch"] or "",
        pushed_at=body["pushed_at"],
        status=RepositoryStatus.BLOCKED if body.get("disabled") else status,
    )


def _make_state(source: SourceId, hosted: HostedRepository) -> RemoteState:
    details = {
        RepositoryStatus.ARCHIVED: ARCHIVED_DETAIL,
        RepositoryStatus.BLOCKED: DISABLED_DETAIL,
    }
    return RemoteState(
        source=source,
        status=hosted.status,
        detail=details.get(hosted.status, ""),
        full_name=hosted.full_name,
        pushed_at=hosted.pushed_at,
        default_branch=hosted.default_branch,
    )
