"""Tracking and untracking repositories."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.errors import (
    BranchNotFoundError,
    ConfigurationError,
    RepositoryNotTrackedError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    SourceKind,
    TrackedRepository,
    validate_partition_key,
)
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.tracking.branches import validate_branches
from ingestion_pipeline.tracking.hosts import Hosts, get_host
from ingestion_pipeline.tracking.rename import move_repository


def track_repository(
    reference: str,
    branches: Sequence[str] | None,
    hosts: Hosts,
    state: StateStore,
    clock: Clock,
    kind: SourceKind = SourceKind.GITHUB,
    ignore_patterns: Sequence[str] | None = None,
) -> TrackedRepository:
    """Begin to track a repository, or change what is tracked of it.

    Args:
        reference: ``owner/name`` or a URL for GitHub; a path for a local repository.
        branches: The branches to index from now on; empty for the default branch; None keeps those
            of a repository that is tracked already.
        hosts: The hosts that the caller may use; a door that must not read local paths leaves
            ``LOCAL`` out.
        state: Where the row goes.
        clock: Says when tracking began.
        kind: Which host to ask.
        ignore_patterns: Files to leave out from now on, lines of gitignore syntax; None keeps those
            of a repository that is tracked already.

    Returns:
        The row as it was stored.

    Raises:
        ConfigurationError: This kind of source is not available here, or another source is tracked
            under the same name.
        InvalidRepositoryNameError: A malformed name, URL or branch.
        BranchNotFoundError: The host says that a branch does not exist.
        RepositoryUnavailableError: 404, 403 or 451.
        AuthenticationError: The token is wrong or expired.
        TransientError: The host could not be asked.
    """
    wanted = None if branches is None else validate_branches(branches)
    host = get_host(hosts, kind)
    hosted = host.find_repository(reference)
    row = _build_row(hosted, wanted, state.find_source(hosted.source), clock.now())
    if ignore_patterns is not None:
        row = replace(row, ignore_patterns=tuple(ignore_patterns))
    if wanted:
        _require_branches(host, row)
    _free_key(row, hosts, state)
    state.save_repository(row)
    # Its next check may be hours away, and what is to be indexed has just changed.
    state.bump_source(row.source, clock.now())
    return state.find_source(row.source) or row


def adopt_repository(
    partition_key: str, hosts: Hosts, state: StateStore, clock: Clock
) -> TrackedRepository:
    """Track the GitHub repository of a partition key that no row stands behind.

    Such keys come from Dagster's UI, or from a state store that was lost. Where the host calls the
    repository something else (a redirect, other capitals), the given key is kept as a former one,
    so that reconciliation takes it out of Dagster.

    Raises:
        The errors of ``track_repository``.
    """
    row = track_repository(validate_partition_key(partition_key), None, hosts, state, clock)
    if partition_key in (row.partition_key, *row.former_keys):
        return row
    state.save_repository(replace(row, former_keys=(*row.former_keys, partition_key)))
    return state.find_source(row.source) or row


def find_tracked(partition_key: str, state: StateStore) -> TrackedRepository:
    """Return the tracked repository of a key that a person gave.

    Raises:
        RepositoryNotTrackedError: There is none; says how to track it.
    """
    row = state.find_repository(partition_key)
    if row is None:
        is_local = partition_key.startswith(f"{SourceKind.LOCAL.value}/")
        what = partition_key if partition_key.count("/") == 1 else "owner/name"
        what = "--path DIRECTORY" if is_local else what
        raise RepositoryNotTrackedError(
            f"{_explain_unknown(partition_key, state)} Track it first: "
            f"ingestion-pipeline track {what}"
        )
    return row


def untrack_repository(partition_key: str, state: StateStore, clock: Clock) -> TrackedRepository:
    """Stop tracking; the points stay until they are purged.

    Returns:
        The row as it stands afterwards.

    Raises:
        RepositoryNotTrackedError: Nothing is tracked under this key; names what it may be instead.
    """
    row = state.find_repository(partition_key)
    if row is None:
        raise RepositoryNotTrackedError(_explain_unknown(partition_key, state))
    at = clock.now()
    state.untrack_repository(partition_key, at)
    return replace(row, untracked_at=at)


def _build_row(
    hosted: HostedRepository,
    branches: tuple[str, ...] | None,
    known: TrackedRepository | None,
    now: datetime,
) -> TrackedRepository:
    key = validate_partition_key(hosted.full_name)
    if known is None:
        return TrackedRepository(key, hosted, branches or (), tracked_at=now)
    chosen = known.branches if branches is None else branches
    return replace(
        known,
        partition_key=key,
        hosted=hosted,
        branches=chosen,
        status_detail="",
        # A push that moved no tracked branch may have moved one that is tracked from now on.
        pushed_at_seen=known.pushed_at_seen if chosen == known.branches else None,
        tracked_at=now if known.untracked_at or known.tracked_at is None else known.tracked_at,
        untracked_at=None,
        former_keys=tuple(name for name in known.former_keys if name != key),
    )


def _require_branches(host: CodeHost, row: TrackedRepository) -> None:
    heads = host.get_branch_heads([row]).get(row.source)
    if heads is None:  # the host could not be asked; the first run will tell
        return
    missing = [branch for branch in row.branches if branch not in heads]
    if missing:
        raise BranchNotFoundError(
            f"{row.partition_key} has no branch {', '.join(missing)}. Nothing was changed. "
            f"Its default branch is {row.hosted.default_branch or 'not there yet'}."
        )


def _free_key(row: TrackedRepository, hosts: Hosts, state: StateStore) -> None:
    """Make sure that no other tracked source holds the key, asking the host about one that does."""
    holder = state.find_repository(row.partition_key)
    if holder is None or holder.source == row.source:
        return
    try:
        hosted = get_host(hosts, holder.source.kind).refresh_repository(holder)
    except RepositoryUnavailableError as error:
        raise ConfigurationError(_explain_taken(row, holder, str(error))) from error
    if hosted.full_name != holder.partition_key:
        holder = move_repository(holder, hosted, state)
    if holder.partition_key == row.partition_key:
        raise ConfigurationError(_explain_taken(row, holder, "It is still called that."))


def _explain_taken(row: TrackedRepository, holder: TrackedRepository, why: str) -> str:
    key = row.partition_key
    return (
        f"{key} is already tracked as another repository ({holder.source}, "
        f"{holder.hosted.clone_url}). {why} To track {row.source} under this name, untrack the "
        f"other one first, with its points: ingestion-pipeline untrack {key} --purge"
    )


def _explain_unknown(partition_key: str, state: StateStore) -> str:
    rows = state.list_repositories()
    renamed = next((r.partition_key for r in rows if partition_key in r.former_keys), None)
    if renamed:
        return f"{partition_key} is called {renamed} now. Use that name."
    names = {r.partition_key.casefold(): r.partition_key for r in rows}
    close = difflib.get_close_matches(partition_key.casefold(), names, n=3)
    hint = f" Did you mean {', '.join(names[name] for name in close)}?" if close else ""
    return f"{partition_key} is not tracked.{hint} See ingestion-pipeline repositories."
