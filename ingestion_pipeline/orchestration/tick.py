"""The steps of one sensor tick around the check itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.freshness.due import Standing, TickLimits, find_next_check
from ingestion_pipeline.freshness.evidence import Decision
from ingestion_pipeline.freshness.schedule import PollLimits, plan_next_check
from ingestion_pipeline.freshness.selection import select_runs
from ingestion_pipeline.freshness.summary import explain_limit, summarize
from ingestion_pipeline.orchestration.freshness_check import FreshnessCheck
from ingestion_pipeline.settings import Settings

# Some of those that look stale turn out not to be: their host does not give them to us.
_STALE_PER_RUN = 2


def make_tick_limits(settings: Settings, rate_limit: RateLimit | None) -> TickLimits:
    """Return what the settings and the host's allowance let one tick do."""
    return TickLimits(
        repositories=settings.sensor_max_repositories_per_tick,
        stale=_STALE_PER_RUN * settings.sensor_max_runs_per_tick,
        rate_limit=rate_limit,
        poll=PollLimits(settings.poll_min_seconds, settings.poll_max_seconds),
    )


def choose_runs(
    due: Sequence[Standing], check: FreshnessCheck, cap: int, after: str
) -> tuple[list[Decision], str]:
    """Return the runs to ask for, those of bumped repositories first, and the new cursor."""
    bumped = {item.repository.source for item in due if item.is_bumped}
    first = [d for d in check.decisions if d.repository.source in bumped]
    others = [d for d in check.decisions if d.repository.source not in bumped]
    urgent, last_urgent = select_runs(first, cap, after)
    rest, last = select_runs(others, cap - len(urgent), after)
    return [*urgent, *rest], last if rest else last_urgent


def plan_checks(
    due: Sequence[Standing],
    check: FreshnessCheck,
    chosen: Sequence[Decision],
    limits: PollLimits,
    now: datetime,
) -> Mapping[SourceId, CheckSchedule]:
    """Return when to ask again about each repository that this check looked at."""
    known = {item.repository.source: item for item in due}
    starting = {decision.repository.source for decision in chosen}
    plans: dict[SourceId, CheckSchedule] = {}
    for decision in check.decisions:
        source = decision.repository.source
        plans[source] = plan_next_check(
            decision,
            known[source].schedule,
            check.report.states.get(source),
            now,
            limits,
            starts=source in starting,
            is_stale=known[source].is_stale,
        )
    return plans


def describe_tick(
    standings: Sequence[Standing],
    due: Sequence[Standing],
    check: FreshnessCheck,
    limit: RateLimit | None,
) -> str:
    """Return what this tick looked at and what it left for later."""
    parts = [summarize(check.decisions, check.report)] if due or not standings else []
    running = sum(item.is_running for item in standings)
    if running:
        parts.append(f"{running:,} not asked about while a run is in progress.")
    later = len(standings) - len(due) - running
    if later:
        asked = {item.repository.source for item in due}
        left = [item for item in standings if item.repository.source not in asked]
        moment = find_next_check(left)
        when = f", the next at {format_utc(moment)}" if moment else ""
        parts.append(f"{later:,} not due yet{when}.")
    if limit is not None and check.report.rate_limit is None:
        parts.append(explain_limit(limit))
    return " ".join(parts)
