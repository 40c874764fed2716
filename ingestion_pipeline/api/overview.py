"""What the page shows besides hits, in a number of queries that no repository adds to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from ingestion_pipeline.api.activity import ActiveSync, EndedSync, list_active, list_ended
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.code_host import FreshnessReport
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import CheckSchedule, IndexedBranch
from ingestion_pipeline.freshness.evidence import collect_evidence
from ingestion_pipeline.freshness.known import KnownFreshness, judge_known
from ingestion_pipeline.orchestration.run_facts import collect_run_facts

_MOST_ENDED = 20


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """One tracked repository.

    Args:
        repository: The row.
        known: How fresh it is.
        branches: As they were indexed, ordered by name.
    """

    repository: TrackedRepository
    known: KnownFreshness
    branches: Sequence[IndexedBranch]

    @property
    def synced_at(self) -> datetime | None:
        """When a sync last ended well; None when none ever did."""
        return find_synced_at(self.branches)

    @property
    def point_count(self) -> int:
        """Points of all its branches."""
        return sum(branch.point_count for branch in self.branches)


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is, what runs and what ended.

    Args:
        now: When this was read.
        repositories: All that are tracked, ordered by name.
        active: What runs or waits.
        ended: The last syncs, the newest first.
    """

    now: datetime
    repositories: Sequence[RepositoryRow]
    active: Sequence[ActiveSync]
    ended: Sequence[EndedSync]

    @property
    def is_indexed(self) -> bool:
        """Whether there is anything that a search could find."""
        return any(row.point_count for row in self.repositories)


def read_overview(services: Services, instance: dg.DagsterInstance) -> Overview:
    """Read what the state and Dagster's storage know; no host is asked.

    Raises:
        TransientError: The state database is busy or away.
    """
    now = services.clock.now()
    return Overview(
        now,
        _list_repositories(services, instance, now),
        list_active(services, instance),
        list_ended(services.state, _MOST_ENDED),
    )


def _list_repositories(
    services: Services, instance: dg.DagsterInstance, now: datetime
) -> list[RepositoryRow]:
    state = services.state
    rows = state.list_repositories()
    if not rows:
        return []
    facts = collect_run_facts(instance, state, [row.partition_key for row in rows], now)
    evidence = collect_evidence(rows, FreshnessReport({}), facts, services.make_fingerprint)
    schedules, branches = state.list_check_schedules(), state.list_all_branches()
    shown: list[RepositoryRow] = []
    for item in evidence:
        source = item.repository.source
        bumped_at = schedules.get(source, CheckSchedule()).bumped_at
        indexed = branches.get(source, ())
        known = judge_known(item, bumped_at, find_synced_at(indexed), now)
        shown.append(RepositoryRow(item.repository, known, indexed))
    return shown


def find_synced_at(branches: Sequence[IndexedBranch]) -> datetime | None:
    """Return when a sync last brought one of the branches to its end; None when none ever did.

    A sync at work blanks the head; the numbers stay those of the last one that ended.
    """
    return max((branch.indexed_at for branch in branches if branch.point_count), default=None)
