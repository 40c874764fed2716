"""Is this repository stale? One pure function, used by sensor, schedule and command line.

What counts, in this order: a run in progress; whether the host answered and gives us the
repository; the heads of the tracked branches; ``pushed_at`` as the host's own string. Heads count
more than ``pushed_at``: two pushes within a second leave the same string, and a push to a pull
request or to another branch moves it without concerning us. ``pushed_at`` tells whether a second,
dearer lookup of the heads is worth it.

Where one of several tracked branches is gone, the others are not held up: a run starts as soon as
one of them moved (or the pipeline changed), and is expected to index the branches that exist and
to name the others. With nothing else to do, and when every branch is gone, the repository is shown
as unavailable, its earlier points stay, and no run is started for it.

Archived repositories go through the same rules. Nothing can be pushed to them, so they are indexed
once, and again only when a new pipeline writes another index, from which they must not be missing.

One thing is not seen before the nightly lookup of all heads: a second push, to a branch other than
the default one, within the second of a push that was already indexed or remembered.
"""

import re
from datetime import UTC, datetime, timedelta

from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.freshness.backoff import LONGEST_DELAY_SECONDS, compute_next_try
from ingestion_pipeline.freshness.evidence import PARTIAL, Action, Decision, Evidence
from ingestion_pipeline.freshness.heads import HeadComparison, compare_heads, explain_moves

_CODES = {
    RepositoryStatus.NOT_FOUND: "404 (gone, or not shown to this token)",
    RepositoryStatus.FORBIDDEN: "403 (this token may not read it)",
    RepositoryStatus.BLOCKED: "451 (blocked for legal reasons)",
}


def decide(evidence: Evidence, now: datetime) -> Decision:
    """Decide what to do about one repository.

    Args:
        evidence: What is known. With ``branch_heads`` None the answer may be ``NEEDS_HEADS``, with
            them it never is.
        now: The time, timezone-aware.

    Returns:
        The decision, with a reason for a person.
    """
    return _check_reachable(evidence) or _check_stale(evidence, compare_heads(evidence), now)


def _check_reachable(evidence: Evidence) -> Decision | None:
    if evidence.active_runs:
        runs = ", ".join(run[:8] for run in evidence.active_runs)
        verb = "is" if len(evidence.active_runs) == 1 else "are"
        return _answer(evidence, Action.WAIT, f"run {runs} {verb} in progress")
    remote = evidence.remote
    if remote is None:
        return _answer(evidence, Action.UNKNOWN, "the host could not be asked this time")
    if remote.status in _CODES:
        detail = f": {remote.detail}" if remote.detail else ""
        return _answer(evidence, Action.UNAVAILABLE, f"host said {_CODES[remote.status]}{detail}")
    return None


def _check_stale(evidence: Evidence, heads: HeadComparison, now: datetime) -> Decision:
    gone = heads.gone
    missing = f"branch {', '.join(gone)} does not exist at the host" if gone else ""
    if not heads.has_branches:
        return _answer(evidence, Action.UNAVAILABLE, missing or "empty: no branch yet", gone)
    cause = _find_cause(evidence, heads)
    unclear = not cause and _is_unclear(evidence, heads)
    next_try = compute_next_try(evidence.repository.partition_key, evidence.failures)
    if (cause or unclear) and next_try is not None and _is_ahead(next_try, now):
        return _wait_after_failure(evidence, next_try)
    # What failed may have failed for a branch that is gone; a lookup is cheaper than a run.
    if unclear or (cause and next_try is not None and heads.unknown):
        return _answer(evidence, Action.NEEDS_HEADS, "its branch heads must be looked up")
    if cause:
        reason = f"{cause}; {missing}" if missing else cause
        return _answer(evidence, Action.RUN, reason, gone)
    if missing:
        return _answer(evidence, Action.UNAVAILABLE, missing, gone)
    if _is_push_new(evidence):
        reason = f"pushed {_get_pushed_at(evidence)} without moving a tracked branch"
        return _answer(evidence, Action.REMEMBER, reason)
    archived = evidence.remote and evidence.remote.status is RepositoryStatus.ARCHIVED
    return _answer(evidence, Action.UP_TO_DATE, "archived" if archived else "up to date")


def _is_ahead(next_try: datetime, now: datetime) -> bool:
    """Whether to wait; not for a time that only a clock put right since can have noted."""
    return now < next_try <= now + timedelta(seconds=LONGEST_DELAY_SECONDS)


def _find_cause(evidence: Evidence, heads: HeadComparison) -> str:
    """Return why a run is needed, "" when nothing that is known so far asks for one."""
    stored, row = evidence.materialized, evidence.repository
    if stored is None:
        renamed = row.former_keys and evidence.indexed_heads
        return f"renamed from {row.former_keys[-1]}" if renamed else "never indexed"
    if stored.code_version == PARTIAL:
        return "the last sync left out branches"
    if stored.code_version != evidence.code_version:
        return f"pipeline changed ({_explain_version(stored.code_version, evidence.code_version)})"
    if heads.moved:
        moves = explain_moves(evidence, heads.moved)
        pushed_at = _get_pushed_at(evidence)
        return f"pushed {pushed_at}: {moves}" if pushed_at else moves
    if heads.leftover and not heads.unindexed:  # else a lookup tells what takes its place
        return f"branch {', '.join(heads.leftover)} is not tracked any more"
    return ""


def _is_unclear(evidence: Evidence, heads: HeadComparison) -> bool:
    return bool(heads.unindexed or (heads.unknown and _is_push_new(evidence)))


def _is_push_new(evidence: Evidence) -> bool:
    """Whether ``pushed_at`` is neither the one indexed nor one known to need no run."""
    stored = evidence.materialized.pushed_at if evidence.materialized else None
    pushed_at = _get_pushed_at(evidence)
    return pushed_at not in ((stored or ""), evidence.repository.pushed_at_seen)


def _get_pushed_at(evidence: Evidence) -> str:
    return (evidence.remote.pushed_at or "") if evidence.remote else ""


def _wait_after_failure(evidence: Evidence, next_try: datetime) -> Decision:
    count = evidence.failures.count
    times = "once" if count == 1 else f"{count} times"
    clock = next_try.astimezone(UTC).strftime("%H:%M:%S UTC")
    reason = f"failed {times}, next try at {clock}"
    return Decision(
        evidence.repository, Action.WAIT, reason, _get_pushed_at(evidence), next_try_at=next_try
    )


def _explain_version(old: str | None, new: str) -> str:
    """Return the parts of the fingerprint that changed, for example ``parser-3``."""
    had = set(re.split(r"[\s,;|+]+", old)) if old else set[str]()
    changed = [part for part in re.split(r"[\s,;|+]+", new) if part not in had]
    return ", ".join(changed) if changed else f"{old} → {new}"


def _answer(
    evidence: Evidence, action: Action, reason: str, gone: tuple[str, ...] = ()
) -> Decision:
    return Decision(
        evidence.repository, action, reason, _get_pushed_at(evidence), gone_branches=gone
    )
