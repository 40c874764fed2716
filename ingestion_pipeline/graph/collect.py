"""Taking structures in, one file at a time, as flat arrays that the graph is built from.

A file costs its path and some 12 bytes a symbol or call; names are numbers, and each text is held
once however often it is called.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.code import SymbolKind
from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.core.records import FileStructure, References
from ingestion_pipeline.graph.languages import get_family
from ingestion_pipeline.graph.ranges import expand_ranges

_SYMBOL_TYPES: dict[str, int] = {
    kind: NodeType.CLASS if kind is SymbolKind.CLASS else NodeType.FUNCTION for kind in SymbolKind
}


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """Names that all files use, file after file.

    Args:
        counts: (F,) int64, references of each file.
        owners: (C,) int32, index of the symbol within its file, -1 for the file's top level.
        names: (C,) int32, names as numbers.
    """

    counts: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32]
    names: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ImportTable:
    """What all files import, file after file.

    Args:
        counts: (F,) int64, imports of each file.
        numbers: (I,) int32, places in ``targets``.
        targets: The distinct targets as the parser wrote them.
    """

    counts: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]
    targets: list[str]

    def list_files(self) -> Iterator[list[str]]:
        """Yield each file's targets."""
        start = 0
        for length in self.counts.tolist():
            yield [self.targets[i] for i in self.numbers[start : start + length].tolist()]
            start += length


@dataclass(frozen=True, slots=True)
class Files:
    """All files of a branch, sorted by path.

    Args:
        paths: F repository paths.
        families: Of their languages.
        symbol_counts: (F,) int64.
        symbol_types: (S,) int8, ``NodeType``, file after file.
        parents: (S,) int32, index of the enclosing symbol within the file, -1 for the file.
        defined: (S,) int32, the symbols' names as numbers, each unique to its family.
        imports: What they import.
        calls: What they call.
        bases: What they inherit from.
    """

    paths: list[str]
    families: list[str]
    symbol_counts: npt.NDArray[np.int64]
    symbol_types: npt.NDArray[np.int8]
    parents: npt.NDArray[np.int32]
    defined: npt.NDArray[np.int32]
    imports: ImportTable
    calls: ReferenceTable
    bases: ReferenceTable


class _Numbers:
    """A column of small numbers, 4 bytes each, that grows."""

    def __init__(self) -> None:
        self.counts = array("q")
        self._values = array("i")

    def append(self, values: Iterable[int]) -> None:
        """Add the numbers of one more file."""
        before = len(self._values)
        self._values.extend(values)
        self.counts.append(len(self._values) - before)

    def append_array(self, values: npt.NDArray[np.int32]) -> None:
        self._values.frombytes(np.ascontiguousarray(values, np.int32).tobytes())
        self.counts.append(len(values))

    def sort(
        self, order: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return the counts and the numbers with file ``order[i]`` at place i."""
        counts = np.frombuffer(self.counts, np.int64)
        values = np.frombuffer(self._values, np.int32)
        starts = np.cumsum(counts) - counts
        return counts[order], values[expand_ranges(starts[order], counts[order])]


class _ReferenceColumns:
    def __init__(self) -> None:
        self._owners, self._names = _Numbers(), _Numbers()

    def append(self, references: References, vocabulary: "defaultdict[str, int]") -> None:
        if len(references.owners) != len(references.names):
            raise ValueError("A file's references have other numbers of owners and of names.")
        self._owners.append_array(references.owners)
        self._names.append(map(vocabulary.__getitem__, references.names))

    def sort(self, order: npt.NDArray[np.int64]) -> ReferenceTable:
        counts, owners = self._owners.sort(order)
        return ReferenceTable(counts, owners, self._names.sort(order)[1])


class _Collector:
    def __init__(self) -> None:
        number = count().__next__
        # All families count on with one another, so that no two share a number.
        self._vocabularies: defaultdict[str, defaultdict[str, int]] = defaultdict(
            lambda: defaultdict(number)
        )
        self._targets: defaultdict[str, int] = defaultdict(count().__next__)
        self._paths: list[str] = []
        self._families: list[str] = []
        self._types, self._parents, self._defined = _Numbers(), _Numbers(), _Numbers()
        self._imports = _Numbers()
        self._calls, self._bases = _ReferenceColumns(), _ReferenceColumns()

    def add(self, path: str, structure: FileStructure) -> None:
        family = get_family(structure.language)
        vocabulary = self._vocabularies[family]
        self._paths.append(path)
        self._families.append(family)
        self._types.append(map(_SYMBOL_TYPES.__getitem__, structure.kinds))
        self._parents.append_array(structure.parents)
        self._defined.append(map(vocabulary.__getitem__, structure.names))
        self._imports.append(map(self._targets.__getitem__, structure.imports))
        self._calls.append(structure.calls, vocabulary)
        self._bases.append(structure.bases, vocabulary)

    def sort(self) -> Files:
        order = np.array(sorted(range(len(self._paths)), key=self._paths.__getitem__), np.int64)
        symbol_counts, types = self._types.sort(order)
        import_counts, imports = self._imports.sort(order)
        return Files(
            paths=[self._paths[i] for i in order.tolist()],
            families=[self._families[i] for i in order.tolist()],
            symbol_counts=symbol_counts,
            symbol_types=types.astype(np.int8),
            parents=self._parents.sort(order)[1],
            defined=self._defined.sort(order)[1],
            imports=ImportTable(import_counts, imports, list(self._targets)),
            calls=self._calls.sort(order),
            bases=self._bases.sort(order),
        )


def _check_paths(paths: Sequence[str]) -> None:
    """Refuse a path that stands twice in sorted ``paths``.

    Raises:
        ValueError: It does.
    """
    for first, second in pairwise(paths):
        if first == second:
            raise ValueError(f"The path {first!r} was given twice; a branch has each path once.")


def collect_files(files: Iterable[tuple[str, FileStructure]]) -> Files:
    """Return all files sorted by path; ``files`` is consumed once and not kept.

    Raises:
        ValueError: Two files have the same path.
    """
    collector = _Collector()
    for path, structure in files:
        collector.add(path, structure)
    collected = collector.sort()
    _check_paths(collected.paths)
    return collected
