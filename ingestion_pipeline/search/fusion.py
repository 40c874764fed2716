"""Fusing the answers of several vectors, and folding the branches of one file together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingestion_pipeline.core.points import ScoredPoint
from ingestion_pipeline.search.hits import SearchHit, get_text

# Reciprocal rank fusion with k = 60: Cormack, Clarke and Büttcher, SIGIR 2009,
# https://doi.org/10.1145/1571941.1572114
RANK_CONSTANT = 60

Identity = tuple[str, str, str]


def identify(payload: Mapping[str, Any]) -> Identity:
    """Return (repo, path, symbol): the same on every branch."""
    return get_text(payload, "repo"), get_text(payload, "path"), get_text(payload, "symbol")


def collapse(points: Iterable[ScoredPoint]) -> dict[Identity, list[ScoredPoint]]:
    """Group an answer by identity, in the order of each group's best point."""
    groups: dict[Identity, list[ScoredPoint]] = {}
    for point in points:
        groups.setdefault(identify(point.payload), []).append(point)
    return groups


def fuse(answers: Mapping[str, Sequence[ScoredPoint]]) -> list[SearchHit]:
    """Fuse answers by reciprocal rank.

    The score of a hit is Σ 1 / (60 + rank) over the answers it stands in; ranks begin at 1 and are
    counted after branches were folded together, so that a file on ten branches takes one place.

    Args:
        answers: Name for the ``why`` → points, best first.

    Returns:
        Hits, best first; equal ones by repository, path and symbol.
    """
    ranks: dict[Identity, dict[str, int]] = {}
    points: dict[Identity, list[ScoredPoint]] = {}
    for name, answer in answers.items():
        for rank, (identity, group) in enumerate(collapse(answer).items(), start=1):
            ranks.setdefault(identity, {})[name] = rank
            points.setdefault(identity, []).extend(group)
    hits = [_make_hit(points[identity], ranks[identity]) for identity in ranks]
    return sorted(hits, key=lambda hit: (-hit.score, hit.repo, hit.path, hit.symbol))


def _make_hit(points: Sequence[ScoredPoint], ranks: Mapping[str, int]) -> SearchHit:
    best, payload = points[0], points[0].payload
    branch = get_text(payload, "branch")
    branches = {get_text(point.payload, "branch") for point in points} - {branch}
    return SearchHit(
        id=best.id,
        repo=get_text(payload, "repo"),
        branch=branch,
        other_branches=tuple(sorted(branches)),
        path=get_text(payload, "path"),
        symbol=get_text(payload, "symbol"),
        kind=get_text(payload, "kind"),
        language=get_text(payload, "language"),
        signature=get_text(payload, "signature"),
        start_line=int(payload.get("start_line") or 0),
        end_line=int(payload.get("end_line") or 0),
        score=sum(1 / (RANK_CONSTANT + rank) for rank in ranks.values()),
        why=", ".join(f"{name} #{rank}" for name, rank in ranks.items()),
    )
