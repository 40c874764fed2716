"""Measures rankings by the three tasks: encoders, the baselines, and what becomes of both fused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.search.scores import Scores
from ingestion_pipeline.training.corpus import make_corpus, pool_corpora, pool_queries
from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.ranking import Ranked, bootstrap_ratio, rank_queries
from ingestion_pipeline.training.tasks import Task, make_queries
from ingestion_pipeline.training.ways import (
    BM25,
    NodeVectors,
    hide_itself,
    name_dense,
    rank_by_words,
    rank_related,
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well every way of ranking did.

    Args:
        repositories: Their names, in order.
        ranked: Task → for each repository, way of ranking → result; empty without queries.
        pooled: Likewise where all repositories stand in one collection; without co-change, which
            asks of one repository, and empty for a single repository.
    """

    repositories: list[str]
    ranked: dict[Task, list[dict[str, Ranked]]] = field(
        default_factory=lambda: {task: [] for task in Task}
    )
    pooled: dict[Task, list[dict[str, Ranked]]] = field(default_factory=dict)

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

    def find_kept_share(self, task: Task, way: str) -> float:
        """Return the MRR in one collection of all repositories to that in one of each."""
        pooled = [results[way].mrr for results in self.pooled[task] if way in results]
        return float(np.mean(pooled)) / self.find_mrr(task, way)

    def find_quality(self, encoder: str) -> float:
        """Return the mean over the tasks of the encoder's MRR to BM25's."""
        tasks = [task for task in Task if self.list_results(task, BM25)]
        ways = [name_dense(encoder) for _ in tasks]
        ratios = [
            self.find_mrr(task, way) / max(self.find_mrr(task, BM25), 1e-9)
            for task, way in zip(tasks, ways, strict=True)
        ]
        return float(np.mean(ratios)) if ratios else 0.0


def evaluate_repositories(
    repositories: Sequence[Repository],
    encoders: Mapping[str, Encoder],
    told: Callable[[str], None] = lambda _name: None,
    *,
    pool: bool = False,
) -> Evaluation:
    """Rank by the baselines and by every encoder.

    Args:
        repositories: Any that took no part in the training.
        encoders: Name → encoder.
        told: Called with each repository's name before it is measured.
        pool: Also as if all of them stood in one collection.
    """
    evaluation = Evaluation([repository.name for repository in repositories])
    made: list[dict[str, NodeVectors]] = []
    for repository in repositories:
        told(repository.name)
        made.append(
            {name: NodeVectors.of(encoder, repository) for name, encoder in encoders.items()}
        )
        for task in Task:
            evaluation.ranked[task].append(_evaluate(repository, task, made[-1], encoders))
    if pool and len(repositories) > 1:
        told("all of them together")
        for task in (Task.DOCSTRING, Task.MESSAGE):
            evaluation.pooled[task] = _evaluate_pooled(repositories, task, made, encoders)
    return evaluation


def _evaluate(
    repository: Repository,
    task: Task,
    vectors: Mapping[str, NodeVectors],
    encoders: Mapping[str, Encoder],
) -> dict[str, Ranked]:
    queries = make_queries(repository, task)
    if not len(queries):
        return {}
    corpus = make_corpus(repository, queries.candidates)
    if task == Task.CO_CHANGE:
        ways = rank_related(repository, corpus, queries, vectors)
        hide_itself(queries, ways)
    else:
        ways = rank_by_words(task, corpus, queries, vectors, encoders)
    return {way: rank_queries(_pick(scores), queries.relevant) for way, scores in ways.items()}


def _evaluate_pooled(
    repositories: Sequence[Repository],
    task: Task,
    made: Sequence[Mapping[str, NodeVectors]],
    encoders: Mapping[str, Encoder],
) -> list[dict[str, Ranked]]:
    queries = [make_queries(repository, task) for repository in repositories]
    corpus = pool_corpora(
        [
            make_corpus(one, asked.candidates)
            for one, asked in zip(repositories, queries, strict=True)
        ]
    )
    vectors = {name: NodeVectors.join([one[name] for one in made]) for name in encoders}
    pooled: list[dict[str, Ranked]] = []
    for asked in pool_queries(queries, corpus):
        if not len(asked):
            pooled.append({})
            continue
        ways = rank_by_words(task, corpus, asked, vectors, encoders)
        pooled.append(
            {w: rank_queries(_pick(scores), asked.relevant) for w, scores in ways.items()}
        )
    return pooled


def _pick(scores: Scores) -> Callable[[int], Scores]:
    return lambda query: scores[query]
