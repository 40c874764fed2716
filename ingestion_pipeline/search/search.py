"""Search by words, and by likeness to something that is indexed."""

from collections.abc import Callable, Mapping, Sequence

from ingestion_pipeline.core.errors import InvalidQueryError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import ScoredPoint, SparseVector
from ingestion_pipeline.core.terms import split_text
from ingestion_pipeline.search.fusion import Identity, collapse, fuse, identify
from ingestion_pipeline.search.hits import SearchFilters, SearchHit, check_limit, make_filter
from ingestion_pipeline.search.reference import find_point, parse_reference
from ingestion_pipeline.search.scores import CANDIDATES, DENSE_WEIGHT

TextEncoder = Callable[[str], Sequence[float]]
"""Text → dense vector (D,), unit length."""
SparseMaker = Callable[[str], SparseVector]
"""Text → the query's word vector."""
_Ask = Callable[[int], list[ScoredPoint]]

_FEWEST_CANDIDATES = CANDIDATES
# Where branches crowd each other out, the answer is asked for again, twice as long, up to here.
_MOST_CANDIDATES = 10_000

_ANY = SearchFilters()


def search(
    words: str,
    store: PointStore,
    encode_text: TextEncoder,
    make_query_sparse: SparseMaker,
    collection: str,
    *,
    filters: SearchFilters = _ANY,
    limit: int = 10,
) -> list[SearchHit]:
    """Find files and symbols by words, over both vectors.

    Args:
        words: Prose or identifiers.
        store: Where the points are.
        encode_text: The encoder of the collection.
        make_query_sparse: Makes the query's word vector as the points' were made.
        collection: Name; one that does not exist has no hits.
        filters: Conditions on the hits.
        limit: Most hits to return.

    Returns:
        Hits, best first.

    Raises:
        InvalidQueryError: No words that could be searched for, a bad limit or an unknown kind.
        PointStoreUnavailableError: From the store.
        AuthenticationError: From the store.
    """
    _check_words(words)
    dense, sparse = encode_text(words), make_query_sparse(words)
    weights = {"dense": DENSE_WEIGHT, "words": 1.0}
    return _search_both(store, collection, dense, sparse, filters, limit, weights)


def search_like(
    reference: str,
    store: PointStore,
    collection: str,
    *,
    filters: SearchFilters = _ANY,
    found_in: SearchFilters | None = None,
    limit: int = 10,
) -> list[SearchHit]:
    """Find what is like an indexed file or symbol; itself, on any branch, is left out.

    Args:
        reference: ``path`` or ``path::symbol``.
        store: Where the points are.
        collection: Name.
        filters: Conditions on the hits.
        found_in: Repository and branch of the reference itself, where its path stands in several;
            None for those of ``filters``.
        limit: Most hits to return.

    Returns:
        Hits, best first.

    Raises:
        InvalidQueryError: The reference is malformed, means nothing or several things; a bad limit
            or an unknown kind.
        PointStoreUnavailableError: From the store.
        AuthenticationError: From the store.
    """
    point = find_point(parse_reference(reference), store, collection, found_in or filters)
    dense, sparse = point.dense or (), point.sparse or SparseVector((), ())
    itself = identify(point.payload)
    weights = {"dense": 1.0, "words": 1.0}
    return _search_both(store, collection, dense, sparse, filters, limit, weights, itself)


def _check_words(words: str) -> None:
    if not words.strip():
        raise InvalidQueryError("The search is empty. Give some words, for example: parse url")
    if not split_text(words):
        raise InvalidQueryError(
            f"{words!r} has only words that stand in nearly every file, which are not indexed. "
            "Add a word that tells what you look for."
        )


def _search_both(
    store: PointStore,
    collection: str,
    dense: Sequence[float],
    sparse: SparseVector,
    filters: SearchFilters,
    limit: int,
    weights: Mapping[str, float],
    leave_out: Identity | None = None,
) -> list[SearchHit]:
    check_limit(limit)
    where = make_filter(filters)
    ways: dict[str, _Ask] = {}
    if any(dense):
        ways["dense"] = lambda count: store.search_dense(collection, dense, where, count)
    if sparse.indices:
        ways["words"] = lambda count: store.search_sparse(collection, sparse, where, count)
    needed = limit + (leave_out is not None)
    answers: Mapping[str, Sequence[ScoredPoint]] = {
        name: [p for p in _ask_enough(ask, needed) if identify(p.payload) != leave_out]
        for name, ask in ways.items()
    }
    return fuse(answers, weights)[:limit]


def _ask_enough(ask: _Ask, needed: int) -> list[ScoredPoint]:
    """Ask for more until ``needed`` different things are found, branches folded together."""
    count = max(_FEWEST_CANDIDATES, 2 * needed)
    while True:
        points = ask(count)
        exhausted = len(points) < count or count >= _MOST_CANDIDATES
        if exhausted or len(collapse(points)) >= needed:
            # A score of 0 or less says that the two have nothing in common.
            return [point for point in points if point.score > 0]
        count = min(2 * count, _MOST_CANDIDATES)
