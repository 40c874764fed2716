"""From a partition key to the repository that a run works on."""

from ingestion_pipeline.core.clock import Clock, format_utc
from ingestion_pipeline.core.errors import (
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryNotTrackedError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import (
    RepositoryStatus,
    SourceKind,
    TrackedRepository,
    validate_partition_key,
)
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.tracking.hosts import Hosts, get_host
from ingestion_pipeline.tracking.rename import move_repository
from ingestion_pipeline.tracking.track import adopt_repository

LOCAL_OWNER = SourceKind.LOCAL.value

_STATUS_BY_ERROR: tuple[tuple[type[RepositoryUnavailableError], RepositoryStatus], ...] = (
    (RepositoryNotFoundError, RepositoryStatus.NOT_FOUND),
    (RepositoryForbiddenError, RepositoryStatus.FORBIDDEN),
    (RepositoryBlockedError, RepositoryStatus.BLOCKED),
)


def resolve_partition(
    partition_key: str, hosts: Hosts, state: StateStore, clock: Clock, *, may_adopt: bool = True
) -> TrackedRepository:
    """Return the repository behind a partition key, as its host describes it now.

    A key without a row is tracked on the fly from GitHub: the state may be lost, or a person added
    the key in Dagster's UI. A repository that was untracked does not come back this way, since a
    run that was queued before would undo what a person did.

    Returns:
        The row. Its ``partition_key`` differs from the one given when the host renamed it.

    Raises:
        InvalidRepositoryNameError: The key is not ``owner/name``.
        RepositoryNotTrackedError: It was untracked, or it is local and has no row.
        RepositoryUnavailableError: 404, 403 or 451; stored as the status, earlier points stay.
        AuthenticationError: The token is wrong or expired.
        ConfigurationError: This kind of source is not available here.
        TransientError: The host could not be asked.
    """
    row = state.find_repository(validate_partition_key(partition_key))
    if row is None:
        row = _find_retired(partition_key, state)
    if row is None and not may_adopt:
        raise RepositoryNotTrackedError(
            f"{partition_key} was untracked while this run waited, and its points were deleted. To "
            f"index it again: ingestion-pipeline track {partition_key}"
        )
    if row is None:
        return adopt_repository(partition_key, hosts, state, clock)
    return _refresh(row, hosts, state)


def require_tracked(repository: TrackedRepository, state: StateStore) -> None:
    """Pass when the source is still tracked; asked under its lock, which a purge takes too.

    A run that waited, or was taken up again from a later op, would write the points of a repository
    whose points and row were purged meanwhile, and nothing would ever delete them.

    Raises:
        RepositoryNotTrackedError: It was untracked since the run began.
    """
    row = state.find_source(repository.source)
    if row is None or row.untracked_at is not None:
        raise RepositoryNotTrackedError(
            f"{repository.partition_key} was untracked while this run was under way. To index it "
            f"again: {_make_track_command(repository)}"
        )


def _find_retired(partition_key: str, state: StateStore) -> TrackedRepository | None:
    """Return the local repository that had this key; None where GitHub must be asked."""
    rows = state.list_repositories(include_untracked=True)
    for row in rows:
        if row.untracked_at and partition_key in (row.partition_key, *row.former_keys):
            raise RepositoryNotTrackedError(
                f"{partition_key} was untracked at {format_utc(row.untracked_at)}. "
                f"To index it again: {_make_track_command(row)}"
            )
    if not partition_key.startswith(f"{LOCAL_OWNER}/"):
        # A former key is not trusted: GitHub may have given the name to another repository.
        return None
    for row in rows:
        if partition_key in row.former_keys:
            return row
    raise RepositoryNotTrackedError(
        f"{partition_key} is not tracked, and a local repository cannot be found by its name. "
        "Track it by its path: ingestion-pipeline track --path DIRECTORY"
    )


def _refresh(row: TrackedRepository, hosts: Hosts, state: StateStore) -> TrackedRepository:
    try:
        hosted = get_host(hosts, row.source.kind).refresh_repository(row)
    except RepositoryUnavailableError as error:
        for kind, status in _STATUS_BY_ERROR:
            if isinstance(error, kind):
                state.set_status(row.source, status, str(error))
        raise
    if hosted.full_name != row.partition_key:
        move_repository(row, hosted, state)
    # Also after a move: a name that is taken leaves the key, and the facts are still newer.
    state.set_hosted(row.source, hosted)
    return state.find_source(row.source) or row


def _make_track_command(row: TrackedRepository) -> str:
    if row.source.kind is SourceKind.LOCAL:
        return f"ingestion-pipeline track --path {row.hosted.clone_url}"
    return f"ingestion-pipeline track {row.partition_key}"
