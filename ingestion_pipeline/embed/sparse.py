"""Sparse vectors of words, for the store to match with its own inverse document frequency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import CodeGraph, NodeType, TermField, TermMatrix
from ingestion_pipeline.core.points import SparseVector
from ingestion_pipeline.core.terms import count_terms, split_text

# BM25 (Robertson and Zaragoza 2009) over weighted fields (BM25F): a word of the name counts as
# NAME_WEIGHT words of the body.
K1 = 1.2
B = 0.75
FIELD_WEIGHTS = {TermField.NAME: 3.0, TermField.BODY: 1.0, TermField.PATH: 1.0, TermField.DOC: 1.0}

AVERAGE_LENGTHS = {
    NodeType.DIRECTORY: 6.0,
    NodeType.FILE: 530.0,
    NodeType.CLASS: 115.0,
    NodeType.FUNCTION: 47.0,
}
"""Weighted words of an average node of each type. Frozen, so that a node's vector depends on that
node alone."""

_CHUNK_NODES = 65_536


@dataclass(frozen=True)
class SparseVectors(Sequence[SparseVector]):
    """One sparse vector a node, in CSR form; indexing makes a ``SparseVector``.

    Args:
        offsets: (N + 1,) int64.
        term_ids: (T,) int64, 0 ≤ id < 2**32, strictly increasing within a node.
        values: (T,) float32, 0 < value < K1 + 1.
    """

    offsets: npt.NDArray[np.int64]
    term_ids: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, start: int, stop: int) -> "SparseVectors":
        """Return the vectors of a span of nodes, without copying them."""
        return SparseVectors(self.offsets[start : stop + 1], self.term_ids, self.values)

    @overload
    def __getitem__(self, index: int) -> SparseVector: ...
    @overload
    def __getitem__(self, index: slice) -> list[SparseVector]: ...
    def __getitem__(self, index: int | slice) -> SparseVector | list[SparseVector]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        node = range(len(self))[index]
        span = slice(self.offsets[node], self.offsets[node + 1])
        return SparseVector(tuple(self.term_ids[span].tolist()), tuple(self.values[span].tolist()))


def _add_fields(
    terms: Mapping[TermField, TermMatrix], start: int, stop: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return keys (node - start) << 32 | term, sorted, and each one's weighted count."""
    keys, counts = [], []
    for field, weight in FIELD_WEIGHTS.items():
        matrix = terms[field]
        offsets = matrix.offsets[start : stop + 1]
        span = slice(offsets[0], offsets[-1])
        owner = np.repeat(np.arange(stop - start), np.diff(offsets))
        keys.append((owner << 32) | matrix.term_ids[span])
        counts.append(matrix.counts[span].astype(np.float64) * weight)
    unique, where = np.unique(np.concatenate(keys), return_inverse=True)
    summed = np.bincount(where, np.concatenate(counts), len(unique))
    return unique, summed.astype(np.float64)


def _saturate(
    types: npt.NDArray[np.integer], terms: Mapping[TermField, TermMatrix], start: int, stop: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the number of terms of each node, the term ids and the values."""
    keys, counts = _add_fields(terms, start, stop)
    owner = keys >> 32
    average = np.array([AVERAGE_LENGTHS[node_type] for node_type in NodeType])
    relative = np.bincount(owner, counts, stop - start) / average[types[start:stop]]
    values = counts * (K1 + 1) / (counts + K1 * (1 - B + B * relative[owner]))
    lengths = np.bincount(owner, minlength=stop - start)
    return lengths, keys & 0xFFFF_FFFF, values.astype(np.float32)


def make_sparse_vectors_of(
    types: npt.NDArray[np.integer], terms: Mapping[TermField, TermMatrix]
) -> SparseVectors:
    """Return the words of nodes with BM25's saturated term frequencies.

    The store multiplies each by its own inverse document frequency (Qdrant's IDF modifier), so the
    dot product with ``make_query_sparse`` is the BM25 score.

    Args:
        types: (B,) integers, ``NodeType``.
        terms: Per field B rows.
    """
    parts = [
        _saturate(types, terms, start, min(start + _CHUNK_NODES, len(types)))
        for start in range(0, len(types), _CHUNK_NODES)
    ]
    lengths = np.concatenate([np.zeros(1, np.int64), *(part[0] for part in parts)])
    return SparseVectors(
        offsets=np.cumsum(lengths),
        term_ids=np.concatenate([np.zeros(0, np.int64), *(part[1] for part in parts)]),
        values=np.concatenate([np.zeros(0, np.float32), *(part[2] for part in parts)]),
    )


def make_sparse_vectors(graph: CodeGraph) -> SparseVectors:
    """Return the words of every node of a graph; see ``make_sparse_vectors_of``."""
    return make_sparse_vectors_of(graph.nodes["type"].to_numpy(np.int64), graph.terms)


def make_query_sparse(words: str) -> SparseVector:
    """Return the distinct words of a query, each with the value 1.

    Words that are never indexed are dropped; with none left the vector is empty and matches
    nothing.
    """
    ids = sorted(count_terms(split_text(words)))
    return SparseVector(tuple(ids), (1.0,) * len(ids))
