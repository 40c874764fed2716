"""From counted terms to weighted bags: (1 + ln tf) · idf, unit length per field."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import TermField, TermMatrix
from ingestion_pipeline.embed.hash_table import get_rows


@dataclass(frozen=True, slots=True)
class Bags:
    """Weighted terms of B nodes, in the form ``torch.nn.functional.embedding_bag`` takes.

    Args:
        rows: (T,) int64, rows of the table.
        weights: (T,) float32; the squares of each bag's weights sum to 1.
        offsets: (B,) int64, where each bag begins.
        is_empty: (B,) bool, bags without a term.
    """

    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    is_empty: npt.NDArray[np.bool_]


def make_bags(
    matrix: TermMatrix, idf: npt.NDArray[np.float32], start: int = 0, stop: int | None = None
) -> Bags:
    """Weigh the terms of nodes ``start`` to ``stop``.

    Args:
        matrix: Terms of all nodes in one field.
        idf: (TABLE_ROWS,) float32.
        start: First node.
        stop: Node after the last; None for the end.
    """
    offsets = matrix.offsets[start : None if stop is None else stop + 1]
    span = slice(offsets[0], offsets[-1])
    lengths = np.diff(offsets)
    rows = get_rows(matrix.term_ids[span])
    weights = (1 + np.log(matrix.counts[span])) * idf[rows]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    squares = np.bincount(owner, weights.astype(np.float64) ** 2, len(lengths))
    norms = np.sqrt(squares)
    norms[norms == 0] = 1
    return Bags(
        rows=rows,
        weights=(weights / norms[owner]).astype(np.float32),
        offsets=offsets[:-1] - offsets[0],
        is_empty=lengths == 0,
    )


@dataclass(frozen=True, slots=True)
class NodeBags:
    """What the network reads of B nodes.

    Args:
        types: (B,) int64, ``NodeType``.
        fields: A bag a node in each field, in the order in which they are added up.
    """

    types: npt.NDArray[np.int64]
    fields: dict[TermField, Bags]

    @property
    def is_wordless(self) -> npt.NDArray[np.bool_]:
        """(B,) nodes without a word in any field."""
        wordless = np.ones(len(self.types), bool)
        for bags in self.fields.values():
            wordless &= bags.is_empty
        return wordless

    @property
    def term_count(self) -> int:
        """Terms in all bags."""
        return sum(len(bags.rows) for bags in self.fields.values())


def make_node_bags(
    types: npt.NDArray[np.integer],
    terms: Mapping[TermField, TermMatrix],
    idf: npt.NDArray[np.float32],
    fields: Collection[TermField],
    span: tuple[int, int],
) -> NodeBags:
    """Weigh the terms of some of the nodes.

    Args:
        types: Of all nodes.
        terms: Of all nodes.
        idf: (TABLE_ROWS,) float32.
        fields: Which to read.
        span: First node, and the one after the last.
    """
    start, stop = span
    return NodeBags(
        types=types[start:stop].astype(np.int64),
        fields={field: make_bags(terms[field], idf, start, stop) for field in fields},
    )
