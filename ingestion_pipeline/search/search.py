"""Search by words, and by likeness to something that is indexed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingestion_pipeline.core.errors import InvalidQueryError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import PointFilter, ScoredPoint, SparseVector
from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.search.files import FindRelations, rank_files
from ingestion_pipeline.search.fusion import collapse, fuse, identify
from ingestion_pipeline.search.hits import (
    FILE_KIND,
    SYMBOL_KINDS,
    SearchFilters,
    SearchHit,
    check_encoder,
    check_limit,
    make_filter,
)
from ingestion_pipeline.search.reference import find_point, parse_reference
from ingestion_pipeline.search.related import RelatedSignals, search_related
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
    find_relations: FindRelations | None = None,
    encoder_version: str = "",
) -> list[SearchHit]:
    """Find files and symbols by words, over both vectors.

    Where only files are asked for, they are also found through their symbols and, if it is known,
    through what the commits that changed them say.

    Args:
        words: Prose or identifiers.
        store: Where the points are.
        encode_text: The encoder of the collection.
        make_query_sparse: Makes the query's word vector as the points' were made.
        collection: Name; one that does not exist has no hits.
        filters: Conditions on the hits.
        limit: Most hits to return.
        find_relations: Tells how the files of a branch belong together; None for nobody.
        encoder_version: That all points must have; "" for any.

    Returns:
        Hits, best first.

    Raises:
        InvalidQueryError: No words that could be searched for, a bad limit or an unknown kind.
        EncoderMismatchError: A point of another encoder is among the best.
        PointStoreUnavailableError: From the store.
        AuthenticationError: From the store.
    """
    _check_words(words)
    check_limit(limit)
    dense, sparse = encode_text(words), make_query_sparse(words)
    query = _Query(store, collection, dense, sparse, encoder_version)
    answers = query.ask(make_filter(filters), limit)
    if filters.kinds == (FILE_KIND,):
        of_symbols = query.ask(make_filter(replace(filters, kinds=SYMBOL_KINDS)), limit)
        terms = [hash_term(term) for term in split_text(words)]
        return rank_files(answers, of_symbols, terms, find_relations)[:limit]
    return fuse(answers, {"dense": DENSE_WEIGHT, "words": 1.0})[:limit]


def search_like(
    reference: str,
    store: PointStore,
    collection: str,
    *,
    filters: SearchFilters = _ANY,
    found_in: SearchFilters | None = None,
    limit: int = 10,
    signals: RelatedSignals | None = None,
    encoder_version: str = "",
) -> list[SearchHit]:
    """Find what is like an indexed symbol or related to a file; itself, on any branch, goes.

    Args:
        reference: ``path`` or ``path::symbol``.
        store: Where the points are.
        collection: Name.
        filters: Conditions on the hits.
        found_in: Repository and branch of the reference itself, where its path stands in several;
            None for those of ``filters``.
        limit: Most hits to return.
        signals: What is known of files besides their points; None for likeness alone.
        encoder_version: That all points must have; "" for any.

    Returns:
        Hits, best first.

    Raises:
        InvalidQueryError: The reference is malformed, means nothing or several things; a bad limit
            or an unknown kind.
        EncoderMismatchError: A point of another encoder is among the best.
        PointStoreUnavailableError: From the store.
        AuthenticationError: From the store.
    """
    check_limit(limit)
    where = make_filter(filters)
    point = find_point(parse_reference(reference), store, collection, found_in or filters)
    check_encoder([point], encoder_version)
    itself = identify(point.payload)
    if signals is not None and point.payload.get("kind") == FILE_KIND:
        return search_related(point, store, collection, where, signals, limit)
    dense, sparse = point.dense or (), point.sparse or SparseVector((), ())
    query = _Query(store, collection, dense, sparse, encoder_version)
    answers = query.ask(where, limit + 1)
    others = {
        name: [p for p in points if identify(p.payload) != itself]
        for name, points in answers.items()
    }
    return fuse(others, {"dense": 1.0, "words": 1.0})[:limit]


def _check_words(words: str) -> None:
    if not words.strip():
        raise InvalidQueryError("The search is empty. Give some words, for example: parse url")
    if not split_text(words):
        raise InvalidQueryError(
            f"{words!r} has only words that stand in nearly every file, which are not indexed. "
            "Add a word that tells what you look for."
        )


@dataclass(frozen=True, slots=True)
class _Query:
    """One thing that is looked for, as both vectors.

    Args:
        store: Where the points are.
        collection: Name.
        dense: (D,) or empty.
        sparse: Or empty.
        encoder_version: That all points must have; "" for any.
    """

    store: PointStore
    collection: str
    dense: Sequence[float]
    sparse: SparseVector
    encoder_version: str

    def ask(self, where: PointFilter, needed: int) -> dict[str, list[ScoredPoint]]:
        """Return the best points by each vector, ``needed`` different things at least."""
        store, collection = self.store, self.collection
        ways: dict[str, _Ask] = {}
        if any(self.dense):
            ways["dense"] = lambda count: store.search_dense(collection, self.dense, where, count)
        if self.sparse.indices:
            ways["words"] = lambda count: store.search_sparse(collection, self.sparse, where, count)
        answers = {name: _ask_enough(ask, needed) for name, ask in ways.items()}
        for points in answers.values():
            check_encoder(points, self.encoder_version)
        return answers


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
