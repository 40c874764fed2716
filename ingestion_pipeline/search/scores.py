"""Fusing scores that several signals give to the same candidates."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

CANDIDATES = 200
"""How many of each signal's best are fused, at least."""

DENSE_WEIGHT = 1.5
"""Of the vector ``text`` beside the words', tuned on repositories held out for that; see
docs/encoder.md."""

RELATED_WEIGHT = 0.5
NEIGHBOUR_WEIGHT = 0.5
HISTORY_WEIGHT = 4.0
"""Likewise of what ``related`` adds to the words: the vector, direct edges, shared commits."""


_NO_SPREAD = 1e-9


def standardize(scores: Scores) -> Scores:
    """Return scores as standard deviations from their mean.

    Args:
        scores: (C,); -inf for candidates that this signal did not return, which become as good as
            the last that it did.
    """
    found = np.isfinite(scores)
    if not found.any():
        return np.zeros(len(scores))
    # Equal scores have a mean that may be off by a last bit, which would count as their spread.
    spread = float(scores[found].std()) if np.ptp(scores[found]) > _NO_SPREAD else 1.0
    standard = (scores - scores[found].mean()) / spread
    return np.where(found, standard, standard[found].min())


def fuse_words(words: Scores, dense: Scores) -> Scores:
    """Return (C,) scores of candidates for a query in words.

    Sums of standardized scores keep how far ahead a candidate is, which ranks forget.

    Args:
        words: (C,) BM25.
        dense: (C,) cosine of ``text``.
    """
    return standardize(words) + DENSE_WEIGHT * standardize(dense)


def fuse_related(words: Scores, related: Scores, edges: Scores, changes: Scores) -> Scores:
    """Return (C,) scores of files for a file.

    Args:
        words: (C,) BM25 for the file's weightiest words.
        related: (C,) cosine of ``related``.
        edges: (C,) imports, calls and inheritance between the two.
        changes: (C,) earlier commits that changed both, 1 / (n - 1) for a commit of n files.
    """
    fused = standardize(words) + RELATED_WEIGHT * standardize(related)
    return fused + NEIGHBOUR_WEIGHT * np.minimum(edges, 3) / 3 + HISTORY_WEIGHT * np.log1p(changes)


def keep_best(scores: Sequence[float] | Scores, count: int) -> Scores:
    """Return (C,) with -inf for all but the ``count`` highest: what a store would answer."""
    kept = np.full(len(scores), -np.inf)
    best = np.argsort(-np.asarray(scores), kind="stable")[:count]
    kept[best] = np.asarray(scores)[best]
    return kept
