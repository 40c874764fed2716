"""The baselines: BM25 and TF-IDF over the very words that the encoder reads."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import TermField, TermMatrix
from ingestion_pipeline.graph.ranges import expand_ranges

K1, B = 1.2, 0.75
Scores = npt.NDArray[np.float64]


class WordIndex:
    """Weighted words of some nodes, by word.

    Args:
        terms: Of all nodes.
        nodes: (R,) which are candidates.
        weights: Field → how often each word of it counts; fields left out are not read.
    """

    def __init__(
        self,
        terms: Mapping[TermField, TermMatrix],
        nodes: npt.NDArray[np.int64],
        weights: Mapping[TermField, float],
    ) -> None:
        rows, ids, counts = [], [], []
        for field, weight in weights.items():
            matrix = terms[field]
            starts, lengths = matrix.offsets[nodes], np.diff(matrix.offsets)[nodes]
            places = expand_ranges(starts, lengths)
            rows.append(np.repeat(np.arange(len(nodes)), lengths))
            ids.append(matrix.term_ids[places])
            counts.append(matrix.counts[places] * weight)
        # A term id has 32 bits, so that both fit below the sign.
        keys = (np.concatenate(ids) << 31) | np.concatenate(rows)
        unique, where = np.unique(keys, return_inverse=True)
        self.row_count = len(nodes)
        self.rows = unique & 0x7FFF_FFFF
        self.counts = np.bincount(where, np.concatenate(counts), len(unique))
        self.vocabulary, starts = np.unique(unique >> 31, return_index=True)
        self.starts = np.append(starts, len(unique))
        self.frequency = np.diff(self.starts)

    def sum_up(self, values: Scores, query: Mapping[int, float]) -> Scores:
        """Return (R,) Σ query weight · value over the words of a query."""
        scores = np.zeros(self.row_count)
        for term, weight in query.items():
            place = int(np.searchsorted(self.vocabulary, term))
            if place < len(self.vocabulary) and self.vocabulary[place] == term:
                span = slice(self.starts[place], self.starts[place + 1])
                scores[self.rows[span]] += weight * values[span]
        return scores

    def find_idf(self, term: int, idf: Scores) -> float:
        """Return a word's entry of ``idf``, 0 for one that no node has."""
        place = int(np.searchsorted(self.vocabulary, term))
        found = place < len(self.vocabulary) and self.vocabulary[place] == term
        return float(idf[place]) if found else 0.0


class Bm25:
    """Okapi BM25 (Robertson and Zaragoza 2009) with the candidates' own idf and mean length."""

    def __init__(self, index: WordIndex) -> None:
        self._index = index
        df = index.frequency
        self.idf = np.log(1 + (index.row_count - df + 0.5) / (df + 0.5))
        lengths = np.bincount(index.rows, index.counts, index.row_count)
        norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
        counts = index.counts
        saturated = counts * (K1 + 1) / (counts + norm[index.rows])
        self._values = np.repeat(self.idf, df) * saturated

    def score(self, terms: Sequence[int] | npt.NDArray[np.int64]) -> Scores:
        """Return (R,) scores of all candidates for the distinct words of a query."""
        return self._index.sum_up(self._values, dict.fromkeys(map(int, terms), 1.0))

    def score_like(self, row: int, most_terms: int = 60) -> Scores:
        """Return (R,) scores for the words of one of the candidates, its weightiest ones."""
        mine = np.flatnonzero(self._index.rows == row)
        places = np.searchsorted(self._index.starts, mine, "right") - 1
        weights = np.log1p(self._index.counts[mine]) * self.idf[places]
        best = np.argsort(-weights, kind="stable")[:most_terms]
        query = zip(self._index.vocabulary[places[best]], weights[best], strict=True)
        return self._index.sum_up(self._values, {int(term): float(w) for term, w in query})


class TfIdf:
    """(1 + ln tf) · idf and the cosine, with the candidates' own idf."""

    def __init__(self, index: WordIndex) -> None:
        self._index = index
        self._idf = np.log((1 + index.row_count) / (1 + index.frequency)) + 1
        values = (1 + np.log(index.counts)) * np.repeat(self._idf, index.frequency)
        norms = np.sqrt(np.bincount(index.rows, values**2, index.row_count))
        self._values = values / np.maximum(norms, 1e-9)[index.rows]

    def score(self, terms: Sequence[int] | npt.NDArray[np.int64]) -> Scores:
        """Return (R,) the cosines of all candidates, times the query's length."""
        ids, counts = np.unique(np.asarray(terms), return_counts=True)
        weights = {
            int(term): (1 + np.log(count)) * self._index.find_idf(int(term), self._idf)
            for term, count in zip(ids, counts, strict=True)
        }
        return self._index.sum_up(self._values, weights)

    def score_like(self, row: int) -> Scores:
        """Return (R,) the cosines with one of the candidates."""
        mine = np.flatnonzero(self._index.rows == row)
        places = np.searchsorted(self._index.starts, mine, "right") - 1
        terms = self._index.vocabulary[places]
        query = zip(terms, self._values[mine], strict=True)
        return self._index.sum_up(self._values, {int(term): float(w) for term, w in query})
