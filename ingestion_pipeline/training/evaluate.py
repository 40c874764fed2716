"""Measures rankings by the three tasks: encoders, the baselines, and what becomes of both fused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation, TermField, TermMatrix
from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.search.scores import CANDIDATES, fuse_related, fuse_words, keep_best
from ingestion_pipeline.training.dataset import Numbers, Repository
from ingestion_pipeline.training.lexical import Bm25, TfIdf, WordIndex
from ingestion_pipeline.training.ranking import Ranked, bootstrap_ratio, rank_queries
from ingestion_pipeline.training.tasks import Queries, Task, make_queries

BM25, TFIDF, NEIGHBOURS, HISTORY = "BM25", "TF-IDF", "graph neighbours", "history"
_CODE_FIELDS = {TermField.NAME: 3.0, TermField.BODY: 1.0, TermField.PATH: 1.0}
_ALL_FIELDS = {**_CODE_FIELDS, TermField.DOC: 1.0}
Scores = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well every way of ranking did.

    Args:
        repositories: Their names, in order.
        ranked: Task → for each repository, way of ranking → result; empty without queries.
    """

    repositories: list[str]
    ranked: dict[Task, list[dict[str, Ranked]]] = field(
        default_factory=lambda: {task: [] for task in Task}
    )

    def list_ways(self, task: Task) -> list[str]:
        """Return the ways of ranking that were measured."""
        return list(dict.fromkeys(way for results in self.ranked[task] for way in results))

    def list_results(self, task: Task, way: str) -> list[Ranked]:
        """Return the results of those repositories that have queries."""
        return [results[way] for results in self.ranked[task] if way in results]

    def find_mrr(self, task: Task, way: str) -> float:
        """Return the mean over repositories of the mean reciprocal rank."""
        return float(np.mean([result.mrr for result in self.list_results(task, way)]))

    def find_recall(self, task: Task, way: str) -> float:
        """Return the mean over repositories of recall at ten."""
        return float(np.mean([result.recall for result in self.list_results(task, way)]))

    def find_ratio(self, task: Task, way: str, other: str = BM25) -> tuple[float, float, float]:
        """Return the ratio of two ways' MRR, and its 95 % interval."""
        ours = [result.reciprocal_ranks for result in self.list_results(task, way)]
        theirs = [result.reciprocal_ranks for result in self.list_results(task, other)]
        low, high = bootstrap_ratio(ours, theirs)
        return self.find_mrr(task, way) / self.find_mrr(task, other), low, high

    def find_quality(self, encoder: str) -> float:
        """Return the mean over the tasks of the encoder's MRR to BM25's."""
        tasks = [task for task in Task if self.list_results(task, BM25)]
        ways = [name_dense(encoder) for _ in tasks]
        ratios = [
            self.find_mrr(task, way) / max(self.find_mrr(task, BM25), 1e-9)
            for task, way in zip(tasks, ways, strict=True)
        ]
        return float(np.mean(ratios)) if ratios else 0.0


def name_dense(encoder: str) -> str:
    """Return the name of an encoder's own ranking."""
    return f"{encoder} dense".strip()


def name_fused(encoder: str) -> str:
    """Return the name of an encoder's ranking fused with words and, for files, all else."""
    return f"{encoder} fused".strip()


def evaluate_repositories(
    repositories: Sequence[Repository],
    encoders: Mapping[str, Encoder],
    told: Callable[[str], None] = lambda _name: None,
) -> Evaluation:
    """Rank by the baselines and by every encoder.

    Args:
        repositories: Any that took no part in the training.
        encoders: Name → encoder.
        told: Called with each repository's name before it is measured.
    """
    evaluation = Evaluation([repository.name for repository in repositories])
    for repository in repositories:
        told(repository.name)
        vectors = {name: _Vectors.of(encoder, repository) for name, encoder in encoders.items()}
        for task in Task:
            queries = make_queries(repository, task)
            if len(queries):
                ways = _score(repository, task, queries, vectors, encoders)
                ranked = {way: _rank(task, queries, scores) for way, scores in ways.items()}
            else:
                ranked = {}
            evaluation.ranked[task].append(ranked)
    return evaluation


def _rank(task: Task, queries: Queries, scores: Scores) -> Ranked:
    if task == Task.CO_CHANGE:  # a file is no answer to itself
        scores = scores.copy()
        scores[np.arange(len(queries)), queries.asked] = -np.inf
    return rank_queries(lambda query: scores[query], queries.relevant)


@dataclass(frozen=True, slots=True)
class _Vectors:
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
    def of(cls, encoder: Encoder, repository: Repository) -> "_Vectors":
        fields = [name for name in TermField if name is not TermField.DOC]
        h = _encode(encoder, repository, tuple(TermField))
        bare = _encode(encoder, repository, fields)
        return cls(encoder.finish(h), encoder.finish(bare), encoder.relate(h))


def _encode(
    encoder: Encoder, repository: Repository, fields: Sequence[TermField]
) -> npt.NDArray[np.float32]:
    h = encoder.embed_words(repository.types, repository.terms, fields)
    passed = encoder.pass_messages(repository.edges, repository.node_count, h)
    return h if passed is None else passed


def _score(
    repository: Repository,
    task: Task,
    queries: Queries,
    vectors: Mapping[str, _Vectors],
    encoders: Mapping[str, Encoder],
) -> dict[str, Scores]:
    """Return way of ranking → (Q, C) scores."""
    fields = _CODE_FIELDS if task == Task.DOCSTRING else _ALL_FIELDS
    index = WordIndex(repository.terms, queries.candidates, fields)
    ways = _score_words(queries, index)
    if task == Task.CO_CHANGE:
        ways[NEIGHBOURS] = count_edges(repository, queries)
        ways[HISTORY] = count_changes(repository, queries)
    for name, made in vectors.items():
        ways[name_dense(name)] = _score_dense(task, queries, made, encoders[name])
        ways[name_fused(name)] = _fuse(task, queries, ways, name_dense(name))
    return ways


def _fuse(task: Task, queries: Queries, ways: Mapping[str, Scores], dense: str) -> Scores:
    """Return (Q, C), fused as a search does it: of each signal only the best candidates are known.

    A file is no candidate for itself.
    """
    fused = np.empty((len(queries), len(queries.candidates)))
    for query, asked in enumerate(queries.asked):
        others = np.arange(len(queries.candidates)) != asked
        words, vector = (keep_best(ways[way][query][others], CANDIDATES) for way in (BM25, dense))
        if task == Task.CO_CHANGE:
            edges, changes = (ways[way][query][others] for way in (NEIGHBOURS, HISTORY))
            fused[query][others] = fuse_related(words, vector, edges, changes)
        else:
            fused[query][others] = fuse_words(words, vector)
    return fused


def _score_words(queries: Queries, index: WordIndex) -> dict[str, Scores]:
    ways: dict[str, Scores] = {}
    for name, baseline in ((TFIDF, TfIdf(index)), (BM25, Bm25(index))):
        ways[name] = np.array(
            [
                baseline.score(words) if asked < 0 else baseline.score_like(int(asked))
                for words, asked in zip(queries.words, queries.asked, strict=True)
            ]
        )
    return ways


def _score_dense(task: Task, queries: Queries, vectors: _Vectors, encoder: Encoder) -> Scores:
    if task == Task.CO_CHANGE:
        files = vectors.related[queries.candidates]
        return files[queries.asked] @ files.T
    of_code = vectors.undocumented if task == Task.DOCSTRING else vectors.text
    texts = encoder.encode_terms(_join_words(queries.words))
    return texts @ of_code[queries.candidates].T


def _join_words(words: Sequence[Numbers]) -> TermMatrix:
    counted = [np.unique(terms, return_counts=True) for terms in words]
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(ids) for ids, _ in counted], out=offsets[1:])
    return TermMatrix(
        offsets,
        np.concatenate([ids for ids, _ in counted]),
        np.concatenate([counts for _, counts in counted]).astype(np.float32),
    )


def count_edges(repository: Repository, queries: Queries) -> Scores:
    """Return (Q, C) imports, calls and inheritance between the file asked about and the others."""
    places = np.full(repository.node_count, -1)
    places[queries.candidates] = np.arange(len(queries.candidates))
    count = len(queries.candidates)
    between = np.zeros((count, count), np.float32)
    for relation in (Relation.IMPORTS, Relation.CALLS, Relation.INHERITS):
        files = repository.files[repository.edges[relation]]
        ends = places[files[:, (files >= 0).all(axis=0)]]
        ends = ends[:, (ends >= 0).all(axis=0) & (ends[0] != ends[1])]
        np.add.at(between, (ends[0], ends[1]), 1)
        np.add.at(between, (ends[1], ends[0]), 1)
    return between[queries.asked]


def count_changes(repository: Repository, queries: Queries) -> Scores:
    """Return (Q, C) how often earlier commits changed the file asked about with each other.

    A commit of n files counts 1 / (n - 1) for each pair.
    """
    places = np.full(repository.node_count, -1)
    places[queries.candidates] = np.arange(len(queries.candidates))
    count = len(queries.candidates)
    together = np.zeros((count, count), np.float32)
    for number in range(len(repository.earlier)):
        files = places[repository.earlier.files[number]]
        if len(files) >= 2:
            together[np.ix_(files, files)] += 1 / (len(files) - 1)
    np.fill_diagonal(together, 0)
    return together[queries.asked]
