"""Which repositories one tick asks their hosts about."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.repositories import SourceId, SourceKind, TrackedRepository
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.freshness.backoff import compute_next_try
from ingestion_pipeline.freshness.evidence import Evidence
from ingestion_pipeline.freshness.schedule import PollLimits

_EVER = datetime.min.replace(tzinfo=UTC)
# Shares of the allowance: below the first, checks become fewer; below the second they stop, and
# runs and commands have the rest.
_PLENTY_SHARE = 0.3
_RESERVED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one repository before anybody is asked.

    Args:
        repository: The row.
        schedule: When it is to be asked about; the empty one when it never was.
        is_stale: A run is needed for a reason of our own: it was never indexed, by another
            pipeline, or not to the end.
        is_running: A run is queued or in progress; asking would change nothing before its end.
    """

    repository: TrackedRepository
    schedule: CheckSchedule
    is_stale: bool
    is_running: bool

    @property
    def is_bumped(self) -> bool:
        """Whether somebody said that it changed."""
        return self.schedule.bumped_at is not None


@dataclass(frozen=True, slots=True)
class TickLimits:
    """What one tick may do.

    Args:
        repositories: Most to ask about.
        stale: Most to ask about only because they are stale for a reason of our own; more than
            runs can be started for are a waste.
        rate_limit: What the host said it had left, after the tick before; None for no limit.
        poll: Bounds of the interval.
    """

    repositories: int
    stale: int
    rate_limit: RateLimit | None = None
    poll: PollLimits = field(default_factory=PollLimits)


def make_standings(
    evidence: Iterable[Evidence], schedules: Mapping[SourceId, CheckSchedule], now: datetime
) -> list[Standing]:
    """Put schedules beside what is known without asking; ``evidence`` has no remote yet."""
    return [
        Standing(
            item.repository,
            schedules.get(item.repository.source, CheckSchedule()),
            _is_stale(item, now),
            bool(item.active_runs),
        )
        for item in evidence
    ]


def choose_due(
    standings: Sequence[Standing], now: datetime, limits: TickLimits, after: str = ""
) -> list[Standing]:
    """Return what to ask about now, in the order of urgency.

    Bumped ones come first, whatever their schedule; then those that are stale for a reason of our
    own, going round by partition key; then those whose time has come, the longest overdue first;
    last those that brought no answer before.

    Args:
        standings: Of all tracked repositories.
        now: The time, timezone-aware.
        limits: Of the tick.
        after: The last partition key that a run was asked for.
    """
    free = [standing for standing in standings if not standing.is_running]
    bumped = sorted((s for s in free if s.is_bumped), key=lambda s: (_bumped_at(s), _key(s)))
    others = [standing for standing in free if not standing.is_bumped]
    stale = sorted(
        (s for s in others if s.is_stale and not s.schedule.failures),
        key=lambda s: (_key(s) <= after, _key(s)),
    )[: limits.stale]
    taken = {standing.repository.source for standing in stale}
    due = sorted(
        (
            s
            for s in others
            if s.repository.source not in taken and _is_due(s.schedule, now, limits.poll)
        ),
        key=lambda s: (s.schedule.failures > 0, s.schedule.next_check_at or _EVER, _key(s)),
    )
    chosen = _spare(bumped, [*stale, *due], limits.rate_limit, now)
    return chosen[: limits.repositories]


def compute_share(limit: RateLimit | None, now: datetime) -> float:
    """Return the share of due repositories to ask about, from 0 for none to 1 for all.

    It falls with what is left of the allowance and is 0 at the reserve, so that the allowance lasts
    until its reset however little is left.
    """
    if not _is_in_force(limit, now):
        return 1.0
    left = limit.remaining / limit.limit
    return min(1.0, max(0.0, (left - _RESERVED_SHARE) / (_PLENTY_SHARE - _RESERVED_SHARE)))


def find_next_check(standings: Sequence[Standing]) -> datetime | None:
    """Return the earliest time that a repository waits for; None when none does."""
    times = [s.schedule.next_check_at for s in standings if not s.is_running]
    return min((moment for moment in times if moment), default=None)


def _spare(
    bumped: list[Standing], others: list[Standing], limit: RateLimit | None, now: datetime
) -> list[Standing]:
    """Leave out what the allowance is too small for; what costs none stays."""
    if not _is_in_force(limit, now):
        return [*bumped, *others]
    free = [standing for standing in bumped if _costs_nothing(standing)]
    urgent = [standing for standing in bumped if not _costs_nothing(standing)][: limit.remaining]
    # A check costs one at most, and over GraphQL a hundredth.
    spare = limit.remaining - math.ceil(_RESERVED_SHARE * limit.limit) - len(urgent)
    paid = [standing for standing in others if not _costs_nothing(standing)]
    share = compute_share(limit, now)
    most = min(max(1, int(share * len(paid))), max(0, spare)) if share else 0
    left_out = {standing.repository.source for standing in paid[most:]}
    return [*free, *urgent, *(s for s in others if s.repository.source not in left_out)]


def _is_in_force(limit: RateLimit | None, now: datetime) -> TypeGuard[RateLimit]:
    """Whether a limit is known to hold; one without a time of reset is left to the host."""
    return (
        limit is not None
        and limit.limit > 0
        and limit.resets_at is not None
        and limit.resets_at > now
    )


def _costs_nothing(standing: Standing) -> bool:
    return standing.repository.source.kind is SourceKind.LOCAL


def _is_due(schedule: CheckSchedule, now: datetime, poll: PollLimits) -> bool:
    moment = schedule.next_check_at
    # A time further away was noted by a clock put right since, or under another setting.
    return moment is None or moment <= now or moment > now + timedelta(seconds=poll.max_seconds)


def _is_stale(item: Evidence, now: datetime) -> bool:
    next_try = compute_next_try(item.repository.partition_key, item.failures)
    if next_try is not None and next_try > now:
        return False
    stored = item.materialized
    if stored is None or stored.code_version != item.code_version:
        return True
    return not all(item.indexed_heads.values())


def _bumped_at(standing: Standing) -> datetime:
    return standing.schedule.bumped_at or _EVER


def _key(standing: Standing) -> str:
    return standing.repository.partition_key
