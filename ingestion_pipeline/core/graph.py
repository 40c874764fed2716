"""The code graph: nodes, typed edges and the words on every node, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]


class NodeType(IntEnum):
    """Node types; the values index the encoder's type embedding, so they never change."""

    DIRECTORY = 0
    FILE = 1
    CLASS = 2
    FUNCTION = 3


class Relation(StrEnum):
    """Edge types. Their order is the order of the encoder's relation weights."""

    CONTAINS = "contains"
    IMPORTS = "imports"
    CALLS = "calls"
    INHERITS = "inherits"


class TermField(StrEnum):
    """The text fields of a node, kept apart."""

    NAME = "name"
    BODY = "body"
    PATH = "path"
    DOC = "doc"


@dataclass(frozen=True)
class TermMatrix:
    """Terms per node in CSR form.

    Args:
        offsets: (N + 1,) int64; node i's terms are ``offsets[i]:offsets[i + 1]``.
        term_ids: (T,) int64, 0 ≤ id < 2**32, sorted within a node.
        counts: (T,) float32, occurrences.
    """

    offsets: npt.NDArray[np.int64]
    term_ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float32]


@dataclass(frozen=True)
class GraphStructure:
    """One branch of one repository as nodes and edges alone, without any text of theirs.

    The nodes and their order are those of ``CodeGraph``.

    Args:
        types: (N,) int8, ``NodeType``.
        files: (N,) int64, node of the file, -1 for directories.
        paths: F file paths, sorted; file i is node i.
        first_symbols: (F + 1,) int64, node of each file's first symbol; the last is the first
            directory's.
        directories: Their paths, sorted, "" for the root.
        edges: As in ``CodeGraph``.
    """

    types: npt.NDArray[np.int8]
    files: npt.NDArray[np.int64]
    paths: Sequence[str]
    first_symbols: npt.NDArray[np.int64]
    directories: Sequence[str]
    edges: dict[Relation, npt.NDArray[np.int64]]

    @property
    def node_count(self) -> int:
        """N."""
        return len(self.types)


@dataclass(frozen=True)
class CodeGraph:
    """One branch of one repository as a graph.

    Nodes are ordered: all files by path, then all symbols by file and start, then directories.

    Args:
        nodes: N rows, index 0..N-1. Columns: ``type`` (int8, ``NodeType``), ``path`` (str),
            ``file`` (int64: node of the file, -1 for directories), ``symbol`` (the symbol's key,
            "" otherwise), ``kind`` (``directory``, ``file``, ``class``, ``function``, ``method``),
            ``name``, ``signature``, ``docstring``, ``language``, ``start_line``, ``end_line``,
            ``blob_sha``.
        edges: Per relation (2, E) int64: row 0 the source node, row 1 the target. ``contains``
            goes from the container; ``imports`` between files; ``calls`` from the caller (symbol or
            file) to the callee; ``inherits`` from the class to its base. No self-loops, no
            duplicates.
        terms: Per field, one row a node.
    """

    nodes: "pd.DataFrame"
    edges: dict[Relation, npt.NDArray[np.int64]]
    terms: dict[TermField, TermMatrix]

    @property
    def node_count(self) -> int:
        """N."""
        return len(self.nodes)
