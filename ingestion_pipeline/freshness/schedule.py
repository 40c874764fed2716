"""When a repository's host is asked about it again.

The rule is Sourcegraph's (https://sourcegraph.com/docs/admin/repo/update_frequency): half the time
since the last push, between 45 seconds and 8 hours. A repository that is worked on is looked at
every minute, one that rests costs three calls a day. There is no jitter: pushes are spread already.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.repositories import SourceKind
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.freshness.evidence import Action, Decision

# Beyond 2^20 every bound has long been reached, and a float would overflow some day.
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class PollLimits:
    """The bounds of the interval, in seconds; ``max_seconds`` wins where they contradict."""

    min_seconds: float = 45.0
    max_seconds: float = 8 * 3600.0


def compute_interval_seconds(
    idle_seconds: float, failures: int = 0, limits: PollLimits | None = None
) -> float:
    """Return how long to wait until the next check, in seconds.

    Args:
        idle_seconds: Since the last push; below 0 where clocks differ.
        failures: Checks in a row that brought no answer; each doubles the interval.
        limits: Its bounds.

    Raises:
        ValueError: ``failures`` is below 0.
    """
    if failures < 0:
        raise ValueError("There is no number of failures below 0.")
    bounds = limits or PollLimits()
    interval = max(idle_seconds / 2, bounds.min_seconds) * 2 ** min(failures, _MOST_DOUBLINGS)
    return min(interval, bounds.max_seconds)


def compute_idle_seconds(decision: Decision, remote: RemoteState | None, now: datetime) -> float:
    """Return the time since the last push that is known of; since tracking began for no push.

    Of a local repository always 0: asking costs nothing, and who commits there is waiting.
    """
    row = decision.repository
    if row.source.kind is SourceKind.LOCAL:
        return 0.0
    texts = (remote.pushed_at if remote else None, row.hosted.pushed_at)
    moments = (_parse_moment(text) for text in texts if text)
    moment = next((moment for moment in moments if moment), None) or row.tracked_at
    return (now - moment).total_seconds() if moment else 0.0


def plan_next_check(
    decision: Decision,
    known: CheckSchedule,
    remote: RemoteState | None,
    now: datetime,
    limits: PollLimits,
    *,
    starts: bool = False,
    is_stale: bool = False,
) -> CheckSchedule:
    """Return when to ask about a repository again, given what this check brought.

    Whatever is not finished is looked at again at once: a run that was asked for may never start,
    and one that is stale may have been left out by the cap. The look after a run's end is also what
    sees a push that came while it ran.

    Args:
        decision: Of this check.
        known: The schedule as it was read before it.
        remote: What the host said; None when it was not answered.
        now: The time, timezone-aware.
        limits: Bounds of the interval.
        starts: A run was asked for; False for one that the cap left out.
        is_stale: It is stale for a reason that is known without asking, so that every tick looks
            at it anyway.

    Returns:
        What ``StateStore.set_check_schedules`` takes: with the bump that this check answered.
    """
    failures = known.failures + 1 if _is_failure(decision) else 0
    idle = compute_idle_seconds(decision, remote, now)
    interval = timedelta(seconds=compute_interval_seconds(idle, failures, limits))
    soon = min(interval, timedelta(seconds=limits.min_seconds))
    bump = known.bumped_at
    if decision.action is Action.UNKNOWN:
        return CheckSchedule(now + interval, failures)
    if decision.action is Action.WAIT:
        # After a failure there is a time to wait for; a run in progress leaves the bump for later.
        next_try = decision.next_try_at
        return CheckSchedule(next_try or now + soon, 0, bump if next_try else None)
    if decision.action is Action.RUN:
        at_once = starts or not is_stale
        return CheckSchedule(now if at_once else now + interval, 0, bump if starts else None)
    if decision.action is Action.UP_TO_DATE and bump is not None:
        # A webhook may be faster than the host's own index; look once more.
        return CheckSchedule(now + soon, 0, bump)
    return CheckSchedule(now + interval, failures, bump)


def _is_failure(decision: Decision) -> bool:
    """Whether asking was of no use, so that it may be done less often.

    A repository of which one of several branches is gone still has the others to watch.
    """
    if decision.action is Action.UNAVAILABLE:
        return not 0 < len(decision.gone_branches) < len(decision.repository.tracked_branches)
    return decision.action is Action.UNKNOWN


def _parse_moment(text: str) -> datetime | None:
    """Read a host's time for its age alone; it is never written back."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
