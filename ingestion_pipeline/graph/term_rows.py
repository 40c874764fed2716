"""Term counts of many nodes as sorted arrays, and their joining into one ``TermMatrix``."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np

from ingestion_pipeline.core.graph import TermMatrix
from ingestion_pipeline.core.records import TermRows


def pack_terms(rows: Sequence[Mapping[int, int]]) -> TermRows:
    """Return the rows as arrays; one sort for all of them."""
    lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
    total = int(lengths.sum())
    ids = np.fromiter(chain.from_iterable(rows), np.int64, total)
    counts = np.fromiter(chain.from_iterable(row.values() for row in rows), np.float32, total)
    order = np.argsort((np.repeat(np.arange(len(rows)), lengths) << 32) | ids)
    return TermRows(lengths, ids[order].astype(np.uint32), counts[order])


def split_first(rows: TermRows) -> tuple[TermRows, TermRows]:
    """Return the first row and the others."""
    cut = int(rows.lengths[0])
    return (
        TermRows(rows.lengths[:1], rows.term_ids[:cut], rows.counts[:cut]),
        TermRows(rows.lengths[1:], rows.term_ids[cut:], rows.counts[cut:]),
    )


def join_terms(parts: Iterable[TermRows]) -> TermMatrix:
    """Return all rows of all parts, in order, as one matrix in CSR form."""
    parts = list(parts)
    lengths = np.concatenate([np.zeros(1, np.int64), *(part.lengths for part in parts)])
    empty_ids, empty_counts = np.zeros(0, np.uint32), np.zeros(0, np.float32)
    ids = np.concatenate([empty_ids, *(part.term_ids for part in parts)])
    counts = np.concatenate([empty_counts, *(part.counts for part in parts)])
    return TermMatrix(np.cumsum(lengths), ids.astype(np.int64), counts)
