"""Fusing the answers of several vectors, and folding the branches of one file together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ingestion_pipeline.core.points import ScoredPoint
from ingestion_pipeline.search.hits import SearchHit, get_text
from ingestion_pipeline.search.scores import Scores, standardize

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


Groups = Mapping[Identity, Sequence[ScoredPoint]]


def merge(answers: Iterable[Groups]) -> dict[Identity, list[ScoredPoint]]:
    """Return what stands in any of the answers."""
    found: dict[Identity, list[ScoredPoint]] = {}
    for groups in answers:
        for identity, group in groups.items():
            found.setdefault(identity, []).extend(group)
    return found


def list_scores(found: Iterable[Identity], groups: Groups) -> Scores:
    """Return (C,) the best score of each, -inf where the answer has none."""
    return np.array([groups[one][0].score if one in groups else -np.inf for one in found])


def rank_places(groups: Groups, name: str) -> dict[Identity, str]:
    """Return what ``why`` says of each place in an answer."""
    return {one: f"{name} #{rank}" for rank, one in enumerate(groups, start=1)}


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
    found = merge(folded.values())
    fused = np.zeros(len(found))
    for name, groups in folded.items():
        fused += weights[name] * standardize(list_scores(found, groups))
    places = [rank_places(groups, name) for name, groups in folded.items()]
    return make_hits(found, fused, places)


def make_hits(
    found: Groups, scores: Scores, reasons: Sequence[Mapping[Identity, str]]
) -> list[SearchHit]:
    """Return hits, best first; equal ones by repository, path and symbol.

    Args:
        found: Branches of one file or symbol together, the best first.
        scores: (C,) of each.
        reasons: For every signal, what it says of those that it found.
    """
    hits = [
        _make_hit(points, float(score), [of[one] for of in reasons if one in of])
        for (one, points), score in zip(found.items(), scores, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.repo, hit.path, hit.symbol))


def _make_hit(points: Sequence[ScoredPoint], score: float, reasons: Sequence[str]) -> SearchHit:
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
        why=", ".join(reasons),
        source=get_text(payload, "source"),
        blob_sha=get_text(payload, "blob_sha"),
    )
