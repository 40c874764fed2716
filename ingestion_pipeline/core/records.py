"""What one file says, in the compact form that is cached and handed from step to step.

A record is a function of a file's bytes and of ``parse.get_path_hint(path)`` alone, so that one
record serves every path, branch and repository with the same blob. It has two halves, because the
graph needs the structure of all files of a branch and the text of only those that changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class TermRows:
    """Terms of a few nodes as arrays: 8 bytes a term, where a dict takes about 100.

    Args:
        lengths: (R,) int64, terms of each row.
        term_ids: (T,) uint32, rows one after another, sorted within a row.
        counts: (T,) float32.
    """

    lengths: npt.NDArray[np.int64]
    term_ids: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class References:
    """Names that a file uses: unique pairs, sorted.

    Args:
        owners: (C,) int32, index of the symbol that each stands in, -1 for the file's top level.
        names: C simple names.
    """

    owners: npt.NDArray[np.int32]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class FileStructure:
    """What the graph needs of a file.

    Args:
        language: As in ``FileFacts``.
        line_count: Likewise.
        imports: Likewise.
        kinds: The symbols' kinds, ``SymbolKind`` values.
        names: The symbols' simple names.
        parents: (S,) int32, index of the enclosing symbol, -1 for the file.
        calls: Names called.
        bases: Names inherited from.
    """

    language: str
    line_count: int
    imports: Sequence[str]
    kinds: Sequence[str]
    names: Sequence[str]
    parents: npt.NDArray[np.int32]
    calls: References
    bases: References


@dataclass(frozen=True, slots=True)
class FileText:
    """What embedding and points need of a file besides its structure.

    Args:
        keys: The symbols' keys, as in ``Symbol``.
        signatures: Likewise.
        start_lines: (S,) int32, 1-based.
        end_lines: (S,) int32, 1-based, inclusive.
        body_terms: Row 0 the file, then its symbols.
        doc_terms: Likewise.
    """

    keys: Sequence[str]
    signatures: Sequence[str]
    start_lines: npt.NDArray[np.int32]
    end_lines: npt.NDArray[np.int32]
    body_terms: TermRows
    doc_terms: TermRows


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file that was parsed."""

    structure: FileStructure
    text: FileText
