"""Fusing the answers of several vectors, and folding the branches of one file together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ingestion_pipeline.core.points import ScoredPoint
from ingestion_pipeline.search.hits import SearchHit, get_text
from ingestion_pipeline.search.scores import standardize

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


def fuse(
    answers: Mapping[str, Sequence[ScoredPoint]], weights: Mapping[str, float]
) -> list[SearchHit]:
    """Fuse answers by their standardized scores; see ``scores``.

    Branches are folded together first, so that a file on ten branches takes one place.

    Args:
        answers: Name for the ``why`` → points, best first.
        weights: Of each answer.

    Returns:
        Hits, best first; equal ones by repository, path and symbol.
    """
    folded = {name: collapse(answer) for name, answer in answers.items()}
    found: dict[Identity, list[ScoredPoint]] = {}
    for groups in folded.values():
        for identity, group in groups.items():
            found.setdefault(identity, []).extend(group)
    fused = np.zeros(len(found))
    for name, groups in folded.items():
        scores = np.array(
            [groups[one][0].score if one in groups else -np.inf for one in found], np.float64
        )
        fused += weights[name] * standardize(scores)
    ranks = {
        name: {one: rank for rank, one in enumerate(groups, start=1)}
        for name, groups in folded.items()
    }
    hits = [
        _make_hit(points, float(score), {n: of[one] for n, of in ranks.items() if one in of})
        for (one, points), score in zip(found.items(), fused, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.repo, hit.path, hit.symbol))


def _make_hit(points: Sequence[ScoredPoint], score: float, ranks: Mapping[str, int]) -> SearchHit:
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
        score=score,
        why=", ".join(f"{name} #{rank}" for name, rank in ranks.items()),
    )
