"""One freshness check over the ports: ask, look closer where needed, store what was learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ingestion_pipeline.core.code_host import CodeHost, FreshnessReport, RateLimit, RemoteState
from ingestion_pipeline.core.repositories import (
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.freshness.decide import decide
from ingestion_pipeline.freshness.evidence import Action, Decision, Evidence

Hosts = Mapping[SourceKind, CodeHost]


def ask_hosts(repositories: Sequence[TrackedRepository], hosts: Hosts) -> FreshnessReport:
    """Ask every host about its repositories, and merge the answers.

    Returns:
        All states; the rate limit with the smallest share left; the problems, one after another.
        Repositories of a kind that has no host here are absent, and counted among the problems.
    """
    states: dict[SourceId, RemoteState] = {}
    limits: list[RateLimit] = []
    problems: list[str] = []
    for kind, rows in _group_by_kind(repositories).items():
        if kind not in hosts:
            problems.append(f"{len(rows)} {kind.value} repositories cannot be asked from here.")
            continue
        report = hosts[kind].check_freshness(rows)
        states.update(report.states)
        limits += [report.rate_limit] if report.rate_limit else []
        problems += [report.problem] if report.problem else []
    tightest = min(limits, key=lambda limit: limit.remaining / max(limit.limit, 1), default=None)
    return FreshnessReport(states, tightest, " ".join(problems))


def decide_all(
    evidence: Sequence[Evidence], hosts: Hosts, now: datetime, *, look_up_all: bool = False
) -> list[Decision]:
    """Decide about all repositories, looking up branch heads where only they can tell.

    Args:
        evidence: One a repository, without ``branch_heads``.
        hosts: Asked for heads, in one batch a host.
        now: The time, timezone-aware.
        look_up_all: Look up the heads of every repository that the hosts give us; the nightly
            reconciliation does, to see what ``pushed_at`` cannot tell.

    Returns:
        Decisions in the order of the evidence; where heads could not be looked up, ``UNKNOWN``.
    """
    first = [decide(item, now) for item in evidence]
    wanted = [
        item
        for item, decision in zip(evidence, first, strict=True)
        if decision.action is Action.NEEDS_HEADS or (look_up_all and _can_look_up(item))
    ]
    heads = _look_up_heads([_with_present_default(item) for item in wanted], hosts)
    return [
        _decide_again(item, decision, heads, now)
        for item, decision in zip(evidence, first, strict=True)
    ]


def store_findings(
    decisions: Sequence[Decision], report: FreshnessReport, state: StateStore
) -> None:
    """Store pushes that need no run, and statuses that changed, so that they are seen and shown."""
    seen = {d.repository.source: d.pushed_at for d in decisions if d.action is Action.REMEMBER}
    if seen:
        state.set_pushed_at_seen(seen)
    for row in (decision.repository for decision in decisions):
        remote = report.states.get(row.source)
        if remote is None:
            continue
        detail = "" if remote.status is RepositoryStatus.ACTIVE else remote.detail
        if (remote.status, detail) != (row.hosted.status, row.status_detail):
            state.set_status(row.source, remote.status, detail)


def _decide_again(
    item: Evidence,
    decision: Decision,
    heads: Mapping[SourceId, Mapping[str, str]],
    now: datetime,
) -> Decision:
    known = heads.get(item.repository.source)
    if known is not None:
        return decide(replace(item, branch_heads=known), now)
    if decision.action is Action.NEEDS_HEADS:
        reason = "its branch heads could not be looked up this time"
        return replace(decision, action=Action.UNKNOWN, reason=reason)
    return decision


def _look_up_heads(
    repositories: Sequence[TrackedRepository], hosts: Hosts
) -> Mapping[SourceId, Mapping[str, str]]:
    heads: dict[SourceId, Mapping[str, str]] = {}
    for kind, rows in _group_by_kind(repositories).items():
        if kind in hosts:
            heads.update(hosts[kind].get_branch_heads(rows))
    return heads


def _with_present_default(item: Evidence) -> TrackedRepository:
    """Return the row as the host sees it: the default branch may have another name by now."""
    row, name = item.repository, item.remote.default_branch if item.remote else ""
    return replace(row, hosted=replace(row.hosted, default_branch=name)) if name else row


def _can_look_up(item: Evidence) -> bool:
    return item.remote is not None and item.remote.status in (
        RepositoryStatus.ACTIVE,
        RepositoryStatus.ARCHIVED,
    )


def _group_by_kind(
    repositories: Sequence[TrackedRepository],
) -> dict[SourceKind, list[TrackedRepository]]:
    groups: dict[SourceKind, list[TrackedRepository]] = {}
    for row in repositories:
        groups.setdefault(row.source.kind, []).append(row)
    return groups
