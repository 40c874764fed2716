"""The code host port over git repositories of this machine."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingestion_pipeline.core.code_host import (
    CodeHost,
    FetchSource,
    FreshnessReport,
    RemoteState,
)
from ingestion_pipeline.core.errors import (
    HostNotAllowedError,
    HostUnavailableError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    TrackedRepository,
)
from ingestion_pipeline.sources.git.addresses import check_allowed_url
from ingestion_pipeline.sources.local.identity import make_full_name, make_source_id, resolve_path
from ingestion_pipeline.sources.local.refs import LocalRefs, read_refs

# A git process takes 2 ms, nearly all of it outside Python.
_THREADS = 4


class LocalCodeHost(CodeHost):
    """Git work trees and bare repositories of this machine.

    Only what is committed counts: changes in the work tree or the index are never read. The default
    branch is what HEAD points at, so in a work tree it is the branch that is checked out; a
    detached HEAD is tracked as the branch ``HEAD``. A repository moved to another path is another
    repository.

    Args:
        is_allowed: False refuses every path (INGESTION_ALLOW_LOCAL_REPOSITORIES).
    """

    def __init__(self, *, is_allowed: bool = True) -> None:
        self._is_allowed = is_allowed

    def find_repository(self, reference: str) -> HostedRepository:
        """Look up the repository at a path: a work tree's top folder, or a bare repository.

        Raises:
            InvalidRepositoryNameError: Not a path that can be stored, or no repository there.
            HostNotAllowedError: Local repositories are switched off.
            RepositoryForbiddenError: This user may not read it.
            RepositoryUnavailableError: git cannot read its refs.
            HostUnavailableError: The disk did not answer in time.
        """
        path = resolve_path(reference)
        self._check(str(path))
        return _describe(path, read_refs(path))

    def refresh_repository(self, repository: TrackedRepository) -> HostedRepository:
        """Look at the same path again.

        Raises:
            RepositoryNotFoundError: There is no repository any more.
            RepositoryForbiddenError, RepositoryUnavailableError, HostUnavailableError: As above.
        """
        path = Path(repository.hosted.clone_url)
        return _describe(path, read_refs(path))

    def check_freshness(self, repositories: Sequence[TrackedRepository]) -> FreshnessReport:
        """Read the refs of every repository; heads of all tracked branches are always reported."""
        with ThreadPoolExecutor(_THREADS) as pool:
            answers = list(pool.map(_check_one, repositories))
        states = {a.source: a for a in answers if isinstance(a, RemoteState)}
        problems = [a for a in answers if isinstance(a, str)]
        return FreshnessReport(states, problem="; ".join(problems[:3]))

    def get_branch_heads(
        self, repositories: Sequence[TrackedRepository]
    ) -> Mapping[SourceId, Mapping[str, str]]:
        """Return branch → head for the tracked branches that exist; the unreadable are absent."""
        states = self.check_freshness(repositories).states
        wanted = {r.source: set(r.tracked_branches) for r in repositories}
        return {
            source: {b: sha for b, sha in state.heads.items() if b in wanted[source]}
            for source, state in states.items()
            if state.status is RepositoryStatus.ACTIVE
        }

    def get_fetch_source(self, repository: HostedRepository) -> FetchSource:
        """Return the absolute path.

        Raises:
            HostNotAllowedError: Local repositories are switched off.
        """
        self._check(repository.clone_url)
        return FetchSource(repository.clone_url)

    def _check(self, path: str) -> None:
        if not path.startswith("/"):
            raise HostNotAllowedError(f"{path!r} is not an absolute path.")
        check_allowed_url(path, (), allow_local=self._is_allowed)


def _describe(path: Path, refs: LocalRefs) -> HostedRepository:
    return HostedRepository(
        source=make_source_id(path),
        node_id="",
        full_name=make_full_name(path),
        clone_url=str(path),
        web_url="",
        default_branch=refs.default_branch,
        pushed_at=refs.pushed_at,
    )


def _check_one(repository: TrackedRepository) -> RemoteState | str:
    """Return the state of one repository, or why it could not be asked this time."""
    source, path = repository.source, Path(repository.hosted.clone_url)
    try:
        refs = read_refs(path)
    except RepositoryNotFoundError as error:
        return RemoteState(source, RepositoryStatus.NOT_FOUND, str(error))
    except RepositoryForbiddenError as error:
        return RemoteState(source, RepositoryStatus.FORBIDDEN, str(error))
    except (RepositoryUnavailableError, HostUnavailableError) as error:
        return str(error)
    return RemoteState(
        source,
        RepositoryStatus.ACTIVE,
        full_name=repository.hosted.full_name,
        pushed_at=refs.pushed_at,
        default_branch=refs.default_branch,
        heads=_pick_heads(repository, refs),
    )


def _pick_heads(repository: TrackedRepository, refs: LocalRefs) -> Mapping[str, str]:
    wanted = {*repository.tracked_branches, refs.default_branch}
    return {branch: sha for branch, sha in refs.heads.items() if branch in wanted}
