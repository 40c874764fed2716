"""One check in a few sentences, for the orchestrator's tick history and the command line."""

from collections import Counter
from collections.abc import Sequence

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.code_host import FreshnessReport, RateLimit
from ingestion_pipeline.freshness.evidence import Action, Decision

_LABELS = {
    Action.RUN: "stale",
    Action.WAIT: "waiting",
    Action.UP_TO_DATE: "up to date",
    Action.REMEMBER: "pushed elsewhere",
    Action.UNAVAILABLE: "unavailable",
    Action.UNKNOWN: "not asked",
    Action.NEEDS_HEADS: "unclear",
}
# A tick's message is one line in a list; whoever needs all of them asks the command line.
_EXAMPLES = 3
_EXPLAINED = (Action.RUN, Action.WAIT, Action.UNAVAILABLE)


def summarize(decisions: Sequence[Decision], report: FreshnessReport) -> str:
    """Return one paragraph, such as ``2 repositories: 1 stale, 1 up to date. Stale: a/b (…)``.

    Args:
        decisions: Of one check.
        report: The hosts' answers, for problems and the rate limit.
    """
    if not decisions:
        return "Nothing is tracked yet. Begin with: ingestion-pipeline track owner/name"
    counts = Counter(decision.action for decision in decisions)
    listed = ", ".join(f"{counts[a]:,} {label}" for a, label in _LABELS.items() if counts[a])
    noun = "repository" if len(decisions) == 1 else "repositories"
    parts = [f"{len(decisions):,} {noun}: {listed}."]
    parts += [_explain(decisions, action) for action in _EXPLAINED if counts[action]]
    parts += [f"Problem: {report.problem}"] if report.problem else []
    parts += [explain_limit(report.rate_limit)] if report.rate_limit else []
    return " ".join(parts)


def _explain(decisions: Sequence[Decision], action: Action) -> str:
    those = [decision for decision in decisions if decision.action is action]
    texts = [f"{d.partition_key} ({d.reason})" for d in those[:_EXAMPLES]]
    more = f", and {len(those) - _EXAMPLES:,} more" if len(those) > _EXAMPLES else ""
    return f"{_LABELS[action].capitalize()}: {', '.join(texts)}{more}."


def explain_limit(limit: RateLimit) -> str:
    """Return what is left of a host's allowance, as one sentence."""
    until = f" until {format_utc(limit.resets_at)}" if limit.resets_at else ""
    return f"Rate limit: {limit.remaining:,} of {limit.limit:,} left{until}."
