"""Following renames: the source stays, its partition key moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    SourceId,
    TrackedRepository,
    validate_partition_key,
)
from ingestion_pipeline.core.state import StateStore


@dataclass(frozen=True, slots=True)
class Renames:
    """What became of the renames that one look at the hosts showed.

    Args:
        moved: Rows that are under their new key now; ``former_keys[-1]`` is the key they had.
        blocked: Rows that stay under their old key, because another source holds the new one.
            They go on being indexed, under a name that is out of date.
    """

    moved: tuple[TrackedRepository, ...] = ()
    blocked: tuple[TrackedRepository, ...] = ()


def follow_rename(
    repository: TrackedRepository, remote: RemoteState, state: StateStore
) -> TrackedRepository:
    """Move a repository to the partition key that its host calls it by.

    Only the name is taken over; clone and web address follow when a run resolves the partition.
    Nothing else of the row is written, so what a command changed since it was read stays.

    Returns:
        The row as it stands afterwards: its key unchanged where the name is, is unknown, or belongs
        to another tracked source, and where the repository was untracked since it was read.

    Raises:
        InvalidRepositoryNameError: The host gave a name that cannot be a partition key.
    """
    name = remote.full_name
    if not name or name == repository.partition_key:
        return repository
    return _move_key(repository, name, state)


def follow_renames(
    repositories: Sequence[TrackedRepository],
    states: Mapping[SourceId, RemoteState],
    state: StateStore,
) -> Renames:
    """Follow all renames of one look at the hosts, also chains (a → b while b → c).

    Two repositories that swapped names block each other and stay as they are: each keeps its key,
    its id and its points, until a person untracks one of them.

    Raises:
        InvalidRepositoryNameError: The host gave a name that cannot be a partition key.
    """
    pending = [r for r in repositories if _is_renamed(r, states.get(r.source))]
    moved: list[TrackedRepository] = []
    while pending:
        results = [(row, follow_rename(row, states[row.source], state)) for row in pending]
        done = [after for row, after in results if after.partition_key != row.partition_key]
        pending = [
            row
            for row, after in results
            if after.partition_key == row.partition_key and after.untracked_at is None
        ]
        moved += done
        if not done:
            break
    return Renames(tuple(moved), tuple(pending))


def move_repository(
    repository: TrackedRepository, hosted: HostedRepository, state: StateStore
) -> TrackedRepository:
    """Store what the host says under the name it gives; nothing is where that name is taken.

    Returns:
        The row as it stands afterwards, as ``follow_rename`` does.

    Raises:
        InvalidRepositoryNameError: The host gave a name that cannot be a partition key.
    """
    moved = _move_key(repository, hosted.full_name, state)
    if moved.partition_key != hosted.full_name:
        return moved
    state.set_hosted(repository.source, hosted)
    return state.find_source(repository.source) or moved


def _move_key(repository: TrackedRepository, name: str, state: StateStore) -> TrackedRepository:
    key = validate_partition_key(name)
    try:
        moved = state.move_partition_key(repository.source, key)
    except ConfigurationError:
        # Another source holds the key; the id is what identifies this one, so it works on.
        return repository
    return moved or state.find_source(repository.source) or repository


def _is_renamed(repository: TrackedRepository, remote: RemoteState | None) -> bool:
    return (
        remote is not None
        and bool(remote.full_name)
        and remote.full_name != repository.partition_key
    )
