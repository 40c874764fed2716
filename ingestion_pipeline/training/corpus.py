"""What is ranked: the files or functions of one repository, or of several in one collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ingestion_pipeline.core.graph import NodeType, TermField, TermMatrix
from ingestion_pipeline.core.relations import FileWords
from ingestion_pipeline.graph.relations import collect_words
from ingestion_pipeline.training.dataset import Numbers, Repository
from ingestion_pipeline.training.tasks import Queries


@dataclass(frozen=True, slots=True)
class Corpus:
    """Candidates, and the symbols of those that are files.

    Args:
        terms: Per field one row a node.
        candidates: (C,) nodes that are ranked.
        symbols: (S,) classes and functions.
        owners: (S,) place of each one's file among the candidates, -1 where it is none.
        said: For each repository, what earlier commits said of its candidates, in their order.
    """

    terms: Mapping[TermField, TermMatrix]
    candidates: Numbers
    symbols: Numbers
    owners: Numbers
    said: Sequence[FileWords]


def make_corpus(repository: Repository, candidates: Numbers) -> Corpus:
    """Return what is ranked in one repository."""
    types = repository.types
    symbols = np.flatnonzero((types == NodeType.CLASS) | (types == NodeType.FUNCTION))
    places = np.full(repository.node_count, -1)
    places[candidates] = np.arange(len(candidates))
    owners = places[repository.files[symbols]]
    earlier = repository.earlier
    numbers = range(repository.recent)
    groups = [places[earlier.files[number]] for number in numbers]
    groups = [group[group >= 0] for group in groups]
    said = collect_words(groups, [earlier.messages[n] for n in numbers], len(candidates))
    return Corpus(repository.terms, candidates, symbols, owners, (said,))


def pool_corpora(corpora: Sequence[Corpus]) -> Corpus:
    """Return all of them as one collection holds them."""
    nodes = np.array([len(one.terms[TermField.NAME].offsets) - 1 for one in corpora])
    first_nodes = np.cumsum(nodes) - nodes
    counts = np.array([len(one.candidates) for one in corpora])
    first_places = np.cumsum(counts) - counts
    return Corpus(
        {field: _join([one.terms[field] for one in corpora]) for field in TermField},
        np.concatenate([one.candidates + at for one, at in zip(corpora, first_nodes, strict=True)]),
        np.concatenate([one.symbols + at for one, at in zip(corpora, first_nodes, strict=True)]),
        np.concatenate(
            [
                np.where(one.owners < 0, -1, one.owners + at)
                for one, at in zip(corpora, first_places, strict=True)
            ]
        ),
        [said for one in corpora for said in one.said],
    )


def pool_queries(queries: Sequence[Queries], corpus: Corpus) -> list[Queries]:
    """Return each repository's queries with all candidates of the one collection."""
    pooled: list[Queries] = []
    first = 0
    for one in queries:
        relevant = [places + first for places in one.relevant]
        asked = np.where(one.asked < 0, -1, one.asked + first)
        pooled.append(Queries(corpus.candidates, one.words, asked, relevant))
        first += len(one.candidates)
    return pooled


def _join(matrices: Sequence[TermMatrix]) -> TermMatrix:
    sizes = np.array([len(one.term_ids) for one in matrices])
    first = np.cumsum(sizes) - sizes
    offsets = [one.offsets[:-1] + at for one, at in zip(matrices, first, strict=True)]
    return TermMatrix(
        np.concatenate([*offsets, [sizes.sum()]]),
        np.concatenate([one.term_ids for one in matrices]),
        np.concatenate([one.counts for one in matrices]),
    )
