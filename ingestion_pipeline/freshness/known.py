"""How fresh a repository is as far as is known, for whoever looks without asking its host.

The same rules as before a run, on what the host said last. A push that nobody has told of and no
check has found is not seen.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.freshness.decide import decide
from ingestion_pipeline.freshness.evidence import Action, Evidence

_GIVEN = {RepositoryStatus.ACTIVE, RepositoryStatus.ARCHIVED}


class Freshness(StrEnum):
    """How fresh what is indexed of a repository is."""

    FRESH = "fresh"
    STALE = "stale"
    SYNCING = "syncing"
    """A run is queued or in progress."""
    FAILING = "failing"
    """Its host does not give it to us, or no run since the last failure succeeded."""


@dataclass(frozen=True, slots=True)
class KnownFreshness:
    """What is known, and why, for a person."""

    freshness: Freshness
    reason: str


def judge_known(
    evidence: Evidence, bumped_at: datetime | None, synced_at: datetime | None, now: datetime
) -> KnownFreshness:
    """Judge one repository.

    Args:
        evidence: Whatever the host answered in it is not looked at.
        bumped_at: When somebody last said that it changed; None where no check has yet to answer.
        synced_at: When a sync last ended well; None when none ever did.
        now: The time, timezone-aware.
    """
    hosted = evidence.repository.hosted
    said = RemoteState(
        evidence.repository.source,
        hosted.status,
        evidence.repository.status_detail,
        pushed_at=hosted.pushed_at,
    )
    decision = decide(replace(evidence, remote=said, branch_heads=None), now)
    if evidence.active_runs:
        return KnownFreshness(Freshness.SYNCING, decision.reason)
    if decision.action is Action.UNAVAILABLE:
        # A repository without a branch has nothing to sync, and is as fresh as can be.
        is_empty = hosted.status in _GIVEN and not evidence.repository.tracked_branches
        freshness = Freshness.FRESH if is_empty else Freshness.FAILING
        return KnownFreshness(freshness, decision.reason)
    if evidence.failures.count:
        return KnownFreshness(Freshness.FAILING, _explain_failures(evidence, decision.next_try_at))
    if bumped_at is not None and synced_at is not None and bumped_at > synced_at:
        return KnownFreshness(Freshness.STALE, "its host says that it changed")
    if decision.action is Action.NEEDS_HEADS:
        return KnownFreshness(Freshness.STALE, "pushed since, or not indexed to the end")
    if decision.action is Action.RUN:
        return KnownFreshness(Freshness.STALE, decision.reason)
    return KnownFreshness(Freshness.FRESH, decision.reason)


def _explain_failures(evidence: Evidence, next_try_at: datetime | None) -> str:
    count = evidence.failures.count
    runs = "the last run" if count == 1 else f"the last {count} runs"
    text = f"{runs} failed or {'was' if count == 1 else 'were'} cancelled"
    return f"{text}, next try at {next_try_at:%H:%M} UTC" if next_try_at else text
