"""Ways of ranking: the lexical baselines, an encoder's vectors, and both fused as a search does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import TermField, TermMatrix
from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.graph.relations import count_changes, count_references
from ingestion_pipeline.search.files import MOST_RERANKED
from ingestion_pipeline.search.scores import (
    CANDIDATES,
    Scores,
    add_said,
    fuse_related,
    fuse_words,
    keep_best,
    score_said,
    support_files,
)
from ingestion_pipeline.training.corpus import Corpus
from ingestion_pipeline.training.dataset import Numbers, Repository
from ingestion_pipeline.training.lexical import Bm25, TfIdf, WordIndex
from ingestion_pipeline.training.tasks import Queries, Task

BM25, TFIDF, NEIGHBOURS, HISTORY = "BM25", "TF-IDF", "graph neighbours", "history"
_CODE_FIELDS = {TermField.NAME: 3.0, TermField.BODY: 1.0, TermField.PATH: 1.0}
_ALL_FIELDS = {**_CODE_FIELDS, TermField.DOC: 1.0}


def name_dense(encoder: str) -> str:
    """Return the name of an encoder's own ranking."""
    return f"{encoder} dense".strip()


def name_fused(encoder: str) -> str:
    """Return the name of an encoder's ranking fused with words and, for files, all else."""
    return f"{encoder} fused".strip()


@dataclass(frozen=True, slots=True)
class NodeVectors:
    """What an encoder makes of a repository.

    Args:
        text: (N, D).
        undocumented: (N, D), comments and docstrings left out.
        related: (N, R).
    """

    text: npt.NDArray[np.float32]
    undocumented: npt.NDArray[np.float32]
    related: npt.NDArray[np.float32]

    @classmethod
    def of(cls, encoder: Encoder, repository: Repository) -> "NodeVectors":
        """Encode a repository."""
        fields = [name for name in TermField if name is not TermField.DOC]
        h = _encode(encoder, repository, tuple(TermField))
        bare = _encode(encoder, repository, fields)
        return cls(encoder.finish(h), encoder.finish(bare), encoder.relate(h))

    @classmethod
    def join(cls, parts: Sequence["NodeVectors"]) -> "NodeVectors":
        """Return the vectors of several repositories, one after another."""
        return cls(
            np.concatenate([one.text for one in parts]),
            np.concatenate([one.undocumented for one in parts]),
            np.concatenate([one.related for one in parts]),
        )


def _encode(
    encoder: Encoder, repository: Repository, fields: Sequence[TermField]
) -> npt.NDArray[np.float32]:
    h = encoder.embed_words(repository.types, repository.terms, fields)
    passed = encoder.pass_messages(repository.edges, repository.node_count, h)
    return h if passed is None else passed


def rank_by_words(
    task: Task,
    corpus: Corpus,
    queries: Queries,
    vectors: Mapping[str, NodeVectors],
    encoders: Mapping[str, Encoder],
) -> dict[str, Scores]:
    """Return way of ranking → (Q, C) scores, for queries in words."""
    fields = _CODE_FIELDS if task == Task.DOCSTRING else _ALL_FIELDS
    index = WordIndex(corpus.terms, corpus.candidates, fields)
    tfidf, bm25 = TfIdf(index), Bm25(index)
    ways = {
        TFIDF: np.array([tfidf.score(words) for words in queries.words]),
        BM25: np.array([bm25.score(words) for words in queries.words]),
    }
    of_symbols = Bm25(WordIndex(corpus.terms, corpus.symbols, fields))
    for name, made in vectors.items():
        code = made.undocumented if task == Task.DOCSTRING else made.text
        texts = encoders[name].encode_terms(_join_words(queries.words))
        dense = (texts @ code[corpus.candidates].T).astype(np.float64)
        ways[name_dense(name)] = dense
        fused = np.empty(dense.shape)
        for query, words in enumerate(queries.words):
            fused[query] = fuse_words(_keep(ways[BM25][query]), _keep(dense[query]))
            if task == Task.MESSAGE:
                inside = (texts[query] @ code[corpus.symbols].T).astype(np.float64)
                scores = _keep(of_symbols.score(words)), _keep(inside)
                supported = support_files(fused[query], *scores, corpus.owners)
                fused[query] = add_said(supported, _score_best(corpus, supported, words))
        ways[name_fused(name)] = fused
    return ways


def _score_best(corpus: Corpus, scores: Scores, words: Numbers) -> Scores:
    """Return (C,) what earlier commits said of the best files, -inf for the others."""
    best = np.argsort(-scores, kind="stable")[:MOST_RERANKED]
    said = np.concatenate([score_said(one, words.tolist()) for one in corpus.said])
    kept = np.full(len(scores), -np.inf)
    kept[best] = said[best]
    return kept


def rank_related(
    repository: Repository, corpus: Corpus, queries: Queries, vectors: Mapping[str, NodeVectors]
) -> dict[str, Scores]:
    """Return way of ranking → (Q, C) scores, for files that are asked about."""
    index = WordIndex(corpus.terms, corpus.candidates, _ALL_FIELDS)
    ways = {
        TFIDF: _ask_each(queries, TfIdf(index).score_like),
        BM25: _ask_each(queries, Bm25(index).score_like),
    }
    ties = _Ties.of(repository, queries)
    ways[NEIGHBOURS], ways[HISTORY] = ties.references[queries.asked], ties.changes[queries.asked]
    for name, made in vectors.items():
        of_text, related = (v[corpus.candidates] for v in (made.text, made.related))
        dense = (related[queries.asked] @ related.T).astype(np.float64)
        ways[name_dense(name)] = dense
        nearest = (of_text[queries.asked] @ of_text.T).astype(np.float64)
        ways[name_fused(name)] = _fuse_related(queries, ways[BM25], nearest, dense, ties)
    return ways


def hide_itself(queries: Queries, ways: Mapping[str, Scores]) -> None:
    """Put the file that is asked about last in every ranking: it is no answer to itself."""
    for scores in ways.values():
        scores[np.arange(len(queries)), queries.asked] = -np.inf


def _fuse_related(
    queries: Queries, words: Scores, nearest: Scores, related: Scores, ties: "_Ties"
) -> Scores:
    """Return (Q, C), fused as a search does it, of the candidates that a search would have."""
    fused = np.full(words.shape, -np.inf)
    for query, asked in enumerate(queries.asked):
        others = np.arange(words.shape[1]) != asked
        by_words = np.full(words.shape[1], -np.inf)
        by_words[others] = _keep(words[query][others])
        near = np.full(words.shape[1], -np.inf)
        near[others] = _keep(nearest[query][others])
        tied = (ties.references[asked] > 0) | (ties.changes[asked] > 0)
        found = others & (np.isfinite(by_words) | np.isfinite(near) | tied)
        fused[query][found] = fuse_related(
            by_words[found],
            related[query][found],
            ties.references[asked][found],
            ties.changes[asked][found],
            ties.activity[found],
        )
    return fused


def _keep(scores: Scores) -> Scores:
    return keep_best(scores, CANDIDATES)


@dataclass(frozen=True, slots=True)
class _Ties:
    """What ties candidates together.

    Args:
        references: (C, C) imports, calls and inheritance.
        changes: (C, C) weight of common commits.
        activity: (C,) weight of each one's own.
    """

    references: Scores
    changes: Scores
    activity: Scores

    @classmethod
    def of(cls, repository: Repository, queries: Queries) -> "_Ties":
        count = len(queries.candidates)
        places = np.full(repository.node_count, -1)
        places[queries.candidates] = np.arange(count)
        owners = np.where(repository.files >= 0, places[repository.files], -1)
        ends, references = count_references(repository.edges, owners)
        earlier = repository.earlier
        groups = [places[earlier.files[number]] for number in range(repository.recent)]
        pairs, _, weights, activity = count_changes(groups, count)
        return cls(
            _spread(ends, references, count),
            _spread(pairs, weights, count),
            activity.astype(np.float64),
        )


def _spread(pairs: Numbers, values: npt.NDArray, count: int) -> Scores:
    """Return the symmetric matrix that has these values at these pairs."""
    matrix = np.zeros((count, count))
    matrix[pairs[0], pairs[1]] = values
    matrix[pairs[1], pairs[0]] = values
    return matrix


def _ask_each(queries: Queries, score_like: Callable[[int], Scores]) -> Scores:
    """Return (Q, C); a file that is asked about twice is scored once."""
    asked, where = np.unique(queries.asked, return_inverse=True)
    return np.array([score_like(int(place)) for place in asked])[where]


def _join_words(words: Sequence[Numbers]) -> TermMatrix:
    counted = [np.unique(terms, return_counts=True) for terms in words]
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(ids) for ids, _ in counted], out=offsets[1:])
    return TermMatrix(
        offsets,
        np.concatenate([ids for ids, _ in counted]),
        np.concatenate([counts for _, counts in counted]).astype(np.float32),
    )
