"""Queries as people ask them, at any door: which collection answers, and by which encoder.

Belongs here: choosing both, and asking again when a roll-out switched meanwhile. Does not belong
here: ranking (``search``), printing and serving (doors).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import IngestionError
from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.embed.sparse import make_query_sparse
from ingestion_pipeline.search.hits import SearchFilters, SearchHit
from ingestion_pipeline.search.related import RelatedSignals
from ingestion_pipeline.search.search import search, search_like
from ingestion_pipeline.search.snippets import add_snippets

_ANY = SearchFilters()


@dataclass(frozen=True, slots=True)
class _Index:
    collection: str
    version: str
    encoder: Callable[[], Encoder]


def find_by_words(
    services: Services, words: str, filters: SearchFilters = _ANY, limit: int = 10
) -> list[SearchHit]:
    """Find files and symbols by words; see ``search.search``.

    Returns:
        Hits with snippets, best first.

    Raises:
        InvalidQueryError: No words that could be searched for, a bad limit or an unknown kind.
        EncoderWeightsError: The encoder of the collection that answers is not there.
        EncoderMismatchError: The collection holds points of another encoder.
        IngestionError: Whatever the store meets.
    """

    def ask(index: _Index) -> list[SearchHit]:
        return search(
            words,
            services.store,
            lambda text: [float(value) for value in index.encoder().encode_text(text)],
            make_query_sparse,
            index.collection,
            filters=filters,
            limit=limit,
            find_relations=services.state.find_relations,
            encoder_version=index.version,
        )

    return add_snippets(_answer(services, ask), words, services.read_blobs)


def find_like(
    services: Services,
    reference: str,
    filters: SearchFilters = _ANY,
    limit: int = 10,
    *,
    found_in: SearchFilters | None = None,
) -> list[SearchHit]:
    """Find what is like an indexed symbol, or related to a file; see ``search.search_like``.

    Returns:
        Hits with snippets, best first.

    Raises:
        InvalidQueryError: The reference is malformed, means nothing or several things; a bad limit
            or an unknown kind.
        EncoderWeightsError, EncoderMismatchError, IngestionError: As ``find_by_words``.
    """

    def ask(index: _Index) -> list[SearchHit]:
        return search_like(
            reference,
            services.store,
            index.collection,
            filters=filters,
            found_in=found_in,
            limit=limit,
            signals=RelatedSignals(
                lambda vectors: index.encoder().relate(vectors), services.state.find_relations
            ),
            encoder_version=index.version,
        )

    return add_snippets(_answer(services, ask), "", services.read_blobs)


def _answer(services: Services, ask: Callable[[_Index], list[SearchHit]]) -> list[SearchHit]:
    """Ask the collection that serves; once more when another one did before the answer came.

    A collection that is dropped meanwhile answers like an empty one, so that errors are as little
    to be trusted as hits.
    """
    while True:
        collection = services.rollout.find_serving()
        version = services.get_version(collection)
        try:
            hits = ask(_Index(collection, version, partial(services.load_encoder, version)))
        except IngestionError:
            if services.rollout.find_serving() == collection:
                raise
            continue
        if services.rollout.find_serving() == collection:
            return hits
