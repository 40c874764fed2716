"""How well a ranking finds what was meant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
RECALL_DEPTH = 10


def find_reciprocal_rank(scores: Scores, relevant: npt.NDArray[np.int64]) -> float:
    """Return 1 / rank of the best relevant item; of equal ones the middle place counts.

    Args:
        scores: (C,) higher is better.
        relevant: Places of the relevant items, at least one.
    """
    best = scores[relevant].max()
    ahead = int((scores > best).sum())
    level = int((scores == best).sum())
    return 1 / (1 + ahead + (level - 1) / 2)


def find_recall(scores: Scores, relevant: npt.NDArray[np.int64]) -> float:
    """Return the share of the relevant items (of ten of them at most) among the first ten."""
    depth = min(RECALL_DEPTH, len(scores))
    first = np.argpartition(-scores, depth - 1)[:depth]
    return len(np.intersect1d(first, relevant)) / min(RECALL_DEPTH, len(relevant))


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one way of ranking did with the queries of one task.

    Args:
        reciprocal_ranks: (Q,) one a query.
        recalls: (Q,) recall at ten.
    """

    reciprocal_ranks: npt.NDArray[np.float64]
    recalls: npt.NDArray[np.float64]

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank."""
        return float(self.reciprocal_ranks.mean())

    @property
    def recall(self) -> float:
        """Mean recall at ten."""
        return float(self.recalls.mean())


def rank_queries(
    score: Callable[[int], Scores], relevant: Sequence[npt.NDArray[np.int64]]
) -> Ranked:
    """Measure one way of ranking.

    Args:
        score: Number of a query → (C,) scores of all candidates.
        relevant: What each query should find.
    """
    ranks, recalls = np.empty(len(relevant)), np.empty(len(relevant))
    for query, wanted in enumerate(relevant):
        scores = score(query)
        ranks[query] = find_reciprocal_rank(scores, wanted)
        recalls[query] = find_recall(scores, wanted)
    return Ranked(ranks, recalls)


def bootstrap_ratio(
    ours: Sequence[npt.NDArray[np.float64]],
    theirs: Sequence[npt.NDArray[np.float64]],
    seed: int = 0,
    rounds: int = 2_000,
) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two macro means, by paired bootstrap.

    Queries are drawn anew within each repository, the same ones for both ways of ranking (Sakai,
    "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006).

    Args:
        ours: Per repository (Q,) reciprocal ranks.
        theirs: Likewise, of the same queries.
        seed: Of the draws.
        rounds: How many.
    """
    random = np.random.default_rng(seed)
    above, below = np.zeros(rounds), np.zeros(rounds)
    for one, other in zip(ours, theirs, strict=True):
        for number in range(rounds):
            drawn = random.integers(0, len(one), len(one))
            above[number] += one[drawn].mean()
            below[number] += other[drawn].mean()
    low, high = np.quantile(above / below, [0.025, 0.975])
    return float(low), float(high)
