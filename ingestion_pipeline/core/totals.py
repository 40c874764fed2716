"""What the state adds up to, for monitoring: numbers and no names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion_pipeline.core.repositories import RepositoryStatus

if TYPE_CHECKING:
    from ingestion_pipeline.core.state import SyncStatus


@dataclass(frozen=True, slots=True)
class SyncTotals:
    """The lines of the history that ended one way and were of one kind.

    Args:
        status: How they ended.
        is_full: As in ``SyncRecord``.
        seconds: Their durations, added up.
        counts: How many took at most each bound that was asked for and longer than the bound
            before it, and last how many took longer than all bounds.
    """

    status: "SyncStatus"
    is_full: bool
    seconds: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StateTotals:
    """What the state adds up to.

    Args:
        syncs: One for each status and kind that the history has, in no particular order.
        repositories: Status → tracked repositories, those with none left out.
        unindexed: Tracked repositories of which no branch was ever indexed whole.
        failing: Tracked repositories whose newest line of the history is a failure.
        points: Points of the branches as they were last indexed whole.
        deliveries_pending: Webhooks that wait to be sent.
        deliveries_dead: Webhooks that are given up.
    """

    syncs: Sequence[SyncTotals]
    repositories: Mapping[RepositoryStatus, int]
    unindexed: int
    failing: int
    points: int
    deliveries_pending: int
    deliveries_dead: int
