"""Comparing the heads of tracked branches with what was indexed."""

from dataclasses import dataclass

from ingestion_pipeline.freshness.evidence import Evidence


@dataclass(frozen=True, slots=True)
class HeadComparison:
    """Every tracked branch stands in exactly one of the first four.

    Args:
        moved: Branches whose head is known and is not the one indexed.
        same: Branches whose head is the one indexed.
        gone: Branches that a complete lookup did not find.
        unknown: Branches that nobody looked at.
        unindexed: Branches among ``unknown`` that were never indexed whole, or whose last sync was
            cut short (it leaves an empty head).
        leftover: Indexed branches that are not tracked any more.
    """

    moved: tuple[str, ...]
    same: tuple[str, ...]
    gone: tuple[str, ...]
    unknown: tuple[str, ...]
    unindexed: tuple[str, ...]
    leftover: tuple[str, ...]

    @property
    def has_branches(self) -> bool:
        """Whether there is a branch to index at all, as far as we know."""
        return bool(self.moved or self.same or self.unknown)


def list_branches(evidence: Evidence) -> tuple[str, ...]:
    """Return the tracked branches, the default branch under the name it has at the host now."""
    row, remote = evidence.repository, evidence.remote
    if not row.branches and remote is not None and remote.default_branch:
        return (remote.default_branch,)
    return row.tracked_branches


def compare_heads(evidence: Evidence) -> HeadComparison:
    """Sort the tracked branches by what is known of their heads."""
    branches, indexed = list_branches(evidence), evidence.indexed_heads
    complete = evidence.branch_heads
    free = evidence.remote.heads if evidence.remote else {}
    # The lookup came after the batched check, so it is the newer of the two, and it is complete.
    heads = free if complete is None else complete
    known = {name: heads[name] for name in branches if name in heads}
    missing = tuple(name for name in branches if name not in heads)
    unknown = missing if complete is None else ()
    return HeadComparison(
        moved=tuple(name for name, sha in known.items() if indexed.get(name) != sha),
        same=tuple(name for name, sha in known.items() if indexed.get(name) == sha),
        gone=() if complete is None else missing,
        unknown=unknown,
        unindexed=tuple(name for name in unknown if not indexed.get(name)),
        leftover=tuple(sorted(set(indexed) - set(branches))),
    )


def explain_moves(evidence: Evidence, branches: tuple[str, ...]) -> str:
    """Return ``main moved from 1a2b3c4 to 5d6e7f8``, for every branch given."""
    heads = evidence.branch_heads
    if heads is None:
        heads = evidence.remote.heads if evidence.remote else {}
    texts: list[str] = []
    for name in branches:
        old, new = evidence.indexed_heads.get(name), heads[name][:7]
        change = f"moved from {old[:7]} to {new}" if old else f"was never indexed, is at {new}"
        texts.append(f"{name} {change}")
    return ", ".join(texts)
