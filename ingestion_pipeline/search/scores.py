"""Fusing scores that several signals give to the same candidates."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.relations import FileWords

Scores = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

CANDIDATES = 200
"""How many of each signal's best are fused, at least."""

DENSE_WEIGHT = 1.5
"""Of the vector ``text`` beside the words', tuned on repositories held out for that; see
docs/encoder.md."""

SYMBOL_WEIGHT = 0.5
"""Likewise of a file's best symbol beside the file itself, where only files are asked for."""

SAID_WEIGHT = 1.0
"""Likewise of what commits that changed a file say, where only files are asked for."""

RELATED_WEIGHT = 0.75
NEIGHBOUR_WEIGHT = 0.5
HISTORY_WEIGHT = 4.0
ACTIVITY_WEIGHT = 1.0
"""Likewise of what is added to the words where files related to a file are asked for: the vector
``related``, direct references, common commits, and how often each file changes at all."""

_MOST_REFERENCES = 3
_K1, _B = 1.2, 0.75

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


def support_files(files: Scores, words: Scores, dense: Scores, owners: Numbers) -> Scores:
    """Return (F,) scores of files to which their best symbols were added.

    A file is about many things at once; what is looked for is often one function of it.

    Args:
        files: (F,) as ``fuse_words``.
        words: (S,) BM25 of symbols.
        dense: (S,) cosine of their ``text``.
        owners: (S,) place of each symbol's file among ``files``, -1 for one that is not there.
    """
    supported = files.copy()
    for scores in (standardize(words), standardize(dense)):
        if not len(scores):
            continue
        best = np.full(len(files), scores.min())
        there = owners >= 0
        np.maximum.at(best, owners[there], scores[there])
        supported += SYMBOL_WEIGHT * best
    return supported


def add_said(files: Scores, said: Scores) -> Scores:
    """Return (F,) scores of files to which what commits said of them was added.

    Args:
        files: (F,) as ``support_files``.
        said: (F,) as ``score_said``; -inf where nobody looked.
    """
    return files + SAID_WEIGHT * standardize(said)


def score_said(said: FileWords, terms: Collection[int]) -> Scores:
    """Return (F,) BM25 of the messages of the commits that changed each file.

    Args:
        said: The words; the idf is that of these files.
        terms: Term ids of the query.
    """
    count = len(said.offsets) - 1
    owners = np.repeat(np.arange(count), np.diff(said.offsets))
    lengths = np.bincount(owners, said.counts, count)
    norm = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1.0)) if count else lengths
    scores = np.zeros(count)
    for term in set(terms):
        found = np.flatnonzero(said.term_ids == term)
        idf = np.log(1 + (count - len(found) + 0.5) / (len(found) + 0.5))
        counts, files = said.counts[found], owners[found]
        scores[files] += idf * counts * (_K1 + 1) / (counts + norm[files])
    return scores


def fuse_related(
    words: Scores, related: Scores, references: Scores, changes: Scores, activity: Scores
) -> Scores:
    """Return (C,) scores of files for a file.

    Args:
        words: (C,) BM25 for the file's words.
        related: (C,) cosine of ``related``.
        references: (C,) imports, calls and inheritance between the two.
        changes: (C,) weight of the commits that changed both, as in ``FileRelations``.
        activity: (C,) how often and how lately each was changed, likewise.
    """
    fused = standardize(words) + RELATED_WEIGHT * standardize(related)
    fused += NEIGHBOUR_WEIGHT * np.minimum(references, _MOST_REFERENCES) / _MOST_REFERENCES
    return fused + HISTORY_WEIGHT * np.log1p(changes) + ACTIVITY_WEIGHT * np.log1p(activity)


def keep_best(scores: Sequence[float] | Scores, count: int) -> Scores:
    """Return (C,) with -inf for all but the ``count`` highest: what a store would answer."""
    kept = np.full(len(scores), -np.inf)
    best = np.argsort(-np.asarray(scores), kind="stable")[:count]
    kept[best] = np.asarray(scores)[best]
    return kept
