"""Keeping the orchestrator's partition keys true to the tracked rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ingestion_pipeline.core.errors import InvalidRepositoryNameError
from ingestion_pipeline.core.repositories import TrackedRepository, validate_partition_key
from ingestion_pipeline.tracking.resolve import LOCAL_OWNER


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """What to do with partition keys; every list is sorted, and no key stands in two.

    Args:
        add: Tracked, and missing in Dagster.
        remove: In Dagster, and untracked or renamed since.
        adopt: In Dagster, and never tracked: added by hand in the UI; for ``adopt_repository``.
        rejected: In Dagster and of no use: key → why, and what to do about it. Left alone.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict[str, str])


def reconcile_partitions(
    tracked: Iterable[TrackedRepository],
    untracked: Iterable[TrackedRepository],
    dagster_keys: Iterable[str],
) -> PartitionPlan:
    """Compare rows with partition keys; level-triggered, so a lost step is made up for next time.

    Args:
        tracked: Rows that are tracked.
        untracked: Rows that are not tracked any more and not purged yet.
        dagster_keys: The keys of the dynamic partition.

    Returns:
        The plan. A key that is present for one row is never removed because of another's past.
    """
    rows, gone, keys = list(tracked), list(untracked), set(dagster_keys)
    present = {row.partition_key for row in rows}
    retired = {row.partition_key for row in gone}
    retired |= {name for row in (*rows, *gone) for name in row.former_keys}
    retired -= present
    strangers = {key: _find_objection(key) for key in sorted(keys - present - retired)}
    return PartitionPlan(
        add=tuple(sorted(present - keys)),
        remove=tuple(sorted(keys & retired)),
        adopt=tuple(key for key, objection in strangers.items() if not objection),
        rejected={key: objection for key, objection in strangers.items() if objection},
    )


def _find_objection(key: str) -> str:
    try:
        validate_partition_key(key)
    except InvalidRepositoryNameError as error:
        return f"{error} Delete the partition in Dagster's UI."
    if key.startswith(f"{LOCAL_OWNER}/"):
        return (
            f"{key!r} is the name of a local repository, which is tracked by its path: "
            "ingestion-pipeline track --path DIRECTORY. Delete the partition in Dagster's UI."
        )
    return ""
