"""Which of the stale repositories run now."""

from collections.abc import Sequence

from ingestion_pipeline.freshness.evidence import Action, Decision


def select_runs(
    decisions: Sequence[Decision], cap: int, cursor: str = ""
) -> tuple[list[Decision], str]:
    """Choose at most ``cap`` runs, going round by partition key.

    The keys after the cursor come first, then those from the start: with N stale repositories each
    gets its turn within ⌈N / cap⌉ ticks, however often the others become stale again. One that
    failed is among them when its delay is over, and takes one place in the round like any other.

    Args:
        decisions: Of one check.
        cap: Most runs to start now, 0 or more.
        cursor: The last key chosen before, "" at first.

    Returns:
        The decisions to start, in order, and the new cursor.

    Raises:
        ValueError: ``cap`` is negative.
    """
    if cap < 0:
        raise ValueError("cap must be 0 or more.")
    stale = sorted(
        (decision for decision in decisions if decision.action is Action.RUN),
        key=lambda decision: (decision.partition_key <= cursor, decision.partition_key),
    )
    chosen = stale[:cap]
    return chosen, chosen[-1].partition_key if chosen else cursor
