"""A code host in memory."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ingestion_pipeline.core.code_host import (
    CodeHost,
    FetchSource,
    FreshnessReport,
    RateLimit,
    RemoteState,
)
from ingestion_pipeline.core.errors import (
    HostNotAllowedError,
    IngestionError,
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
    validate_partition_key,
)

_STATUS_OF_ERROR: Mapping[type[RepositoryUnavailableError], RepositoryStatus] = {
    RepositoryNotFoundError: RepositoryStatus.NOT_FOUND,
    RepositoryForbiddenError: RepositoryStatus.FORBIDDEN,
    RepositoryBlockedError: RepositoryStatus.BLOCKED,
}


def make_hosted(
    full_name: str = "octo/cat", number: int = 1, pushed_at: str | None = "2026-01-01T00:00:00Z"
) -> HostedRepository:
    """Return a repository as GitHub would describe it, ``main`` being its default branch."""
    return HostedRepository(
        source=SourceId(SourceKind.GITHUB, str(number)),
        node_id=f"R_{number}",
        full_name=full_name,
        clone_url=f"https://github.com/{full_name}.git",
        web_url=f"https://github.com/{full_name}",
        default_branch="main",
        pushed_at=pushed_at,
    )


def make_sha(seed: str) -> str:
    """Return a commit sha, the same for the same seed."""
    return hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()


class FakeCodeHost(CodeHost):
    """Plays GitHub's behaviour; steered by methods that name a repository by its present name.

    Args:
        repositories: What exists at first.
        heads: Full name to branch to sha; a repository without an entry has ``main``, with a sha
            made of its name. An empty mapping is an empty repository.
        web_host: The only host that URLs may name.
        rate_limit: What freshness checks report.
        heads_in_checks: Whether checks tell the default branch's head, as GraphQL does.
    """

    def __init__(
        self,
        repositories: Iterable[HostedRepository] = (),
        heads: Mapping[str, Mapping[str, str]] | None = None,
        *,
        web_host: str = "github.com",
        rate_limit: RateLimit | None = None,
        heads_in_checks: bool = True,
    ) -> None:
        self._web_host = web_host
        self._rate_limit = rate_limit
        self._heads_in_checks = heads_in_checks
        self._repositories: dict[SourceId, HostedRepository] = {}
        self._heads: dict[SourceId, dict[str, str]] = {}
        self._old_names: dict[str, SourceId] = {}
        self._refusals: dict[SourceId, RepositoryUnavailableError] = {}
        self._unanswered: set[SourceId] = set()
        self._outage: IngestionError | None = None
        self._calls: list[tuple[str, ...]] = []
        for repository in repositories:
            self.add(repository, (heads or {}).get(repository.full_name))

    # -- what happened

    @property
    def calls(self) -> tuple[tuple[str, ...], ...]:
        """Method name and the references or partition keys it was called with, in order."""
        return tuple(self._calls)

    @property
    def checked(self) -> tuple[tuple[str, ...], ...]:
        """Partition keys of each freshness check."""
        return tuple(call[1:] for call in self._calls if call[0] == "check_freshness")

    # -- steering

    def add(self, repository: HostedRepository, heads: Mapping[str, str] | None = None) -> None:
        """Create a repository."""
        chosen = {"main": make_sha(repository.full_name)} if heads is None else dict(heads)
        default = repository.default_branch if chosen else ""
        self._repositories[repository.source] = replace(repository, default_branch=default)
        self._heads[repository.source] = chosen

    def push(self, full_name: str, branch: str, sha: str, pushed_at: str) -> None:
        """Move or create a branch and ``pushed_at``."""
        self._heads[self._get(full_name).source][branch] = sha
        current = self._get(full_name)
        self._set(full_name, pushed_at=pushed_at, default_branch=current.default_branch or branch)

    def push_elsewhere(self, full_name: str, pushed_at: str) -> None:
        """Move ``pushed_at`` but no head, as a fork's push to a pull request does."""
        self._set(full_name, pushed_at=pushed_at)

    def delete_branch(self, full_name: str, branch: str, pushed_at: str) -> None:
        """Remove a branch."""
        del self._heads[self._get(full_name).source][branch]
        self._set(full_name, pushed_at=pushed_at)

    def rename(self, old: str, new: str) -> None:
        """Give another name; the old one still finds it."""
        self._old_names[old] = self._get(old).source
        self._set(old, full_name=new, clone_url=f"https://{self._web_host}/{new}.git")

    def set_clone_url(self, full_name: str, clone_url: str) -> None:
        """Have git fetch from elsewhere, a folder for example."""
        self._set(full_name, clone_url=clone_url)

    def archive(self, full_name: str) -> None:
        """Make read-only."""
        self._set(full_name, status=RepositoryStatus.ARCHIVED)

    def refuse(self, full_name: str, error: RepositoryUnavailableError) -> None:
        """Answer with this error from now on: not found, forbidden or blocked."""
        self._refusals[self._get(full_name).source] = error

    def restore(self, full_name: str) -> None:
        """Undo ``refuse`` and ``leave_unanswered``."""
        self._refusals.pop(self._get(full_name).source, None)
        self._unanswered.discard(self._get(full_name).source)

    def leave_unanswered(self, full_name: str) -> None:
        """Leave a repository out of freshness checks and heads, as a failed chunk does."""
        self._unanswered.add(self._get(full_name).source)

    def break_down(self, error: IngestionError) -> None:
        """Fail every call with this error: an outage, a rate limit, a refused token."""
        self._outage = error

    def recover(self) -> None:
        """Undo ``break_down``."""
        self._outage = None

    # -- the port

    def find_repository(self, reference: str) -> HostedRepository:
        self._record("find_repository", reference)
        name = self._parse(reference)
        for repository in self._repositories.values():
            if repository.full_name.lower() == name.lower():
                return self._read(repository.source, name)
        source = self._old_names.get(name)
        return self._read(source, name)

    def refresh_repository(self, repository: TrackedRepository) -> HostedRepository:
        self._record("refresh_repository", repository.partition_key)
        return self._read(repository.source, repository.partition_key)

    def check_freshness(self, repositories: Sequence[TrackedRepository]) -> FreshnessReport:
        self._calls.append(("check_freshness", *(r.partition_key for r in repositories)))
        if self._outage:
            return FreshnessReport({}, self._rate_limit, str(self._outage))
        asked = [r for r in repositories if r.source not in self._unanswered]
        missing = len(repositories) - len(asked)
        problem = f"{missing} of {len(repositories)} were not answered" if missing else ""
        states = {r.source: self._make_state(r) for r in asked}
        return FreshnessReport(states, self._rate_limit, problem)

    def get_branch_heads(
        self, repositories: Sequence[TrackedRepository]
    ) -> Mapping[SourceId, Mapping[str, str]]:
        self._calls.append(("get_branch_heads", *(r.partition_key for r in repositories)))
        hidden = self._unanswered | self._refusals.keys()
        return {
            r.source: {b: s for b, s in self._heads[r.source].items() if b in r.tracked_branches}
            for r in repositories
            if not self._outage and r.source in self._heads and r.source not in hidden
        }

    def get_fetch_source(self, repository: HostedRepository) -> FetchSource:
        self._calls.append(("get_fetch_source", repository.full_name))
        is_url = "://" in repository.clone_url
        if is_url and not repository.clone_url.startswith(f"https://{self._web_host}/"):
            raise HostNotAllowedError("Add its host to INGESTION_ALLOWED_HOSTS.")
        return FetchSource(repository.clone_url)

    def _record(self, name: str, argument: str) -> None:
        self._calls.append((name, argument))
        if self._outage:
            raise self._outage

    def _parse(self, reference: str) -> str:
        own = f"https://{self._web_host}/"
        if "://" in reference and not reference.startswith(own):
            raise HostNotAllowedError("Add its host to INGESTION_ALLOWED_HOSTS.")
        return validate_partition_key(reference.removeprefix(own).removesuffix(".git"))

    def _read(self, source: SourceId | None, name: str) -> HostedRepository:
        if source is None or source not in self._repositories:
            raise RepositoryNotFoundError(f"{name} does not exist or is private.")
        if source in self._refusals:
            raise self._refusals[source]
        return self._repositories[source]

    def _make_state(self, tracked: TrackedRepository) -> RemoteState:
        source = tracked.source
        try:
            hosted = self._read(source, tracked.partition_key)
        except RepositoryUnavailableError as error:
            return RemoteState(source, _STATUS_OF_ERROR[type(error)], str(error))
        default = hosted.default_branch
        wanted = self._heads_in_checks and (not tracked.branches or default in tracked.branches)
        heads = {b: s for b, s in self._heads[source].items() if wanted and b == default}
        return RemoteState(
            source=source,
            status=hosted.status,
            detail="" if hosted.status is RepositoryStatus.ACTIVE else str(hosted.status),
            full_name=hosted.full_name,
            pushed_at=hosted.pushed_at,
            default_branch=default,
            heads=heads,
        )

    def _get(self, full_name: str) -> HostedRepository:
        return next(r for r in self._repositories.values() if r.full_name == full_name)

    def _set(self, present_name: str, /, **changes: Any) -> None:
        current = self._get(present_name)
        self._repositories[current.source] = replace(current, **changes)
