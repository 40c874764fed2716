"""What belongs together with a file: by its words, its vector, its references and its commits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import (
    PointFilter,
    ScoredPoint,
    SparseVector,
    StoredPoint,
    make_point_id,
)
from ingestion_pipeline.core.relations import FileRelations, Neighbour
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.search.files import FindRelations
from ingestion_pipeline.search.fusion import (
    Groups,
    Identity,
    collapse,
    identify,
    list_scores,
    make_hits,
    merge,
    rank_places,
)
from ingestion_pipeline.search.hits import SearchHit, check_encoder, get_text
from ingestion_pipeline.search.scores import CANDIDATES, HISTORY_WEIGHT, Scores, fuse_related

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RelatedSignals:
    """What is known besides the points.

    Args:
        relate: (C, D) vectors ``text`` → (C, R) vectors ``related``, rows of unit length.
        find_relations: Source and branch → how the branch's files belong together.
    """

    relate: Callable[[Vectors], Vectors]
    find_relations: FindRelations


def search_related(
    file: StoredPoint,
    store: PointStore,
    collection: str,
    where: PointFilter,
    signals: RelatedSignals,
    limit: int,
) -> list[SearchHit]:
    """Find what belongs together with a file; itself, on any branch, is left out.

    Candidates are the nearest by both vectors, and the files that references or commits tie to it.

    Args:
        file: Its point, with vectors.
        store: Where the points are.
        collection: Name.
        where: Conditions on the hits.
        signals: What is known besides the points.
        limit: Most hits to return.

    Raises:
        EncoderMismatchError: A candidate is of another encoder than the file.
    """
    count = max(CANDIDATES, 2 * limit)
    dense, sparse = file.dense or (), file.sparse or SparseVector((), ())
    by_words = store.search_sparse(collection, sparse, where, count) if sparse.indices else []
    nearest = store.search_dense(collection, dense, where, count)
    source = SourceId.parse(get_text(file.payload, "source"))
    branch, path = get_text(file.payload, "branch"), get_text(file.payload, "path")
    relations = signals.find_relations(source, branch)
    neighbours = relations.find_neighbours(path) if relations else {}
    own_version = get_text(file.payload, "encoder_version")
    tied = _retrieve(store, collection, source, branch, _choose(neighbours, count), where)
    for points in (by_words, nearest, tied):
        check_encoder(points, own_version)
    itself = identify(file.payload)
    words, near, ties = (
        {one: group for one, group in collapse(points).items() if one != itself}
        for points in (_keep_alike(by_words), _keep_alike(nearest), tied)
    )
    found = merge((words, near, ties))
    if not found:
        return []
    related = _compare(found, dense, store, collection, signals.relate)
    mine = _list_own(found, source, branch)
    fused = fuse_related(
        list_scores(found, words),
        related,
        np.array([neighbours.get(p, Neighbour()).references for p in mine], np.float64),
        np.array([neighbours.get(p, Neighbour()).changed for p in mine], np.float64),
        _list_activity(mine, relations),
    )
    reasons = (
        rank_places(words, "words"),
        _rank(found, related),
        _explain(found, mine, neighbours),
    )
    return make_hits(found, fused, reasons)[:limit]


def _keep_alike(points: Sequence[ScoredPoint]) -> list[ScoredPoint]:
    # A score of 0 or less says that the two have nothing in common.
    return [point for point in points if point.score > 0]


def _choose(neighbours: Mapping[str, Neighbour], count: int) -> list[str]:
    """Return the paths of the strongest neighbours."""

    def weigh(path: str) -> float:
        one = neighbours[path]
        return one.references + HISTORY_WEIGHT * one.changed

    return sorted(neighbours, key=lambda path: (-weigh(path), path))[:count]


def _retrieve(
    store: PointStore,
    collection: str,
    source: SourceId,
    branch: str,
    paths: Sequence[str],
    where: PointFilter,
) -> list[ScoredPoint]:
    ids = [make_point_id(source, branch, path) for path in paths]
    found = store.retrieve(collection, ids) if ids else []
    return [ScoredPoint(p.id, 0.0, p.payload) for p in found if where.matches(p.payload)]


def _compare(
    found: Groups,
    dense: Sequence[float],
    store: PointStore,
    collection: str,
    relate: Callable[[Vectors], Vectors],
) -> Scores:
    """Return (C,) cosines of ``related``; -inf for what went meanwhile."""
    ids = [group[0].id for group in found.values()]
    stored = {p.id: p.dense for p in store.retrieve(collection, ids, with_vectors=True) if p.dense}
    present = [place for place, one in enumerate(ids) if one in stored]
    scores = np.full(len(ids), -np.inf)
    if present:
        vectors = np.array([dense, *(stored[ids[place]] for place in present)], np.float32)
        related = relate(vectors)
        scores[present] = related[1:] @ related[0]
    return scores


def _list_own(found: Groups, source: SourceId, branch: str) -> list[str]:
    """Return the path of each candidate that is a file of this branch, "" for the others."""
    return [
        path if not symbol and any(_is_of(point.payload, source, branch) for point in group) else ""
        for (_, path, symbol), group in found.items()
    ]


def _is_of(payload: Mapping[str, object], source: SourceId, branch: str) -> bool:
    return payload.get("source") == str(source) and payload.get("branch") == branch


def _list_activity(paths: Sequence[str], relations: FileRelations | None) -> Scores:
    """Return (C,) activity; what is not of the branch gets the mean, so that it gains nothing."""
    if relations is None or not any(paths):
        return np.zeros(len(paths))
    known = {path: relations.get_activity(path) for path in paths if path}
    mean = sum(known.values()) / len(known)
    return np.array([known.get(path, mean) for path in paths])


def _rank(found: Groups, related: Scores) -> dict[Identity, str]:
    names = list(found)
    order = np.argsort(-related, kind="stable")
    return {names[place]: f"related #{rank}" for rank, place in enumerate(order, start=1)}


def _explain(
    found: Groups, paths: Sequence[str], neighbours: Mapping[str, Neighbour]
) -> dict[Identity, str]:
    said: dict[Identity, str] = {}
    for one, path in zip(found, paths, strict=True):
        tie = neighbours.get(path)
        if tie is None:
            continue
        parts = [
            f"{count} {name}{'' if count == 1 else 's'}"
            for count, name in ((tie.references, "reference"), (tie.commits, "common commit"))
            if count
        ]
        said[one] = ", ".join(parts)
    return said
