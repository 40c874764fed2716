"""Calls and inheritance: from a name that is used to the symbols it may mean.

Nothing is typed here. A name means the definitions in the same file; where there are none, those
in the files it imports; then those in the same folder; then those anywhere, provided there are at
most three. Of the many a stage may find, the first four count.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.code import SymbolKind
from ingestion_pipeline.graph.nodes import Layout, get_parent

MAX_TARGETS = 4
MAX_GLOBAL_TARGETS = 3


class Definitions:
    """Symbols by name, then by file and by folder.

    Args:
        layout: Numbers of the nodes; a name is a number unique to its family of languages.
        classes_only: Leave functions and methods out.
    """

    def __init__(self, layout: Layout, *, classes_only: bool = False) -> None:
        self._by_file: dict[int, dict[int, list[int]]] = {}
        self._by_folder: dict[int, dict[str, list[int]]] = {}
        for node, file in enumerate(layout.files):
            folder = get_parent(file.path)
            first = layout.first_symbols[node]
            for offset, name in enumerate(file.defined.tolist()):
                if classes_only and file.symbols[offset].kind != SymbolKind.CLASS:
                    continue
                symbol = first + offset
                self._by_file.setdefault(name, {}).setdefault(node, []).append(symbol)
                near = self._by_folder.setdefault(name, {}).setdefault(folder, [])
                if len(near) < MAX_TARGETS:
                    near.append(symbol)

    def find(self, name: int, file: int, folder: str, imports: list[int]) -> list[int]:
        """Return the symbols that ``name`` may mean in ``file``, at most ``MAX_TARGETS``.

        Args:
            name: Number of the name.
            file: Node of the file it stands in.
            folder: Its folder.
            imports: Nodes of the files it imports, sorted.
        """
        by_file = self._by_file.get(name)
        if by_file is None:
            return []
        found = by_file.get(file) or self._find_imported(by_file, imports)
        if not found:
            found = self._by_folder[name].get(folder) or self._find_anywhere(by_file)
        return found[:MAX_TARGETS]

    @staticmethod
    def _find_imported(by_file: dict[int, list[int]], imports: list[int]) -> list[int]:
        # The shorter side is walked: a common name has thousands of files, most files few imports.
        if len(by_file) < len(imports):
            wanted = set(imports)
            files = [file for file in by_file if file in wanted]
        else:
            files = [file for file in imports if file in by_file]
        return [symbol for file in files for symbol in by_file[file]]

    @staticmethod
    def _find_anywhere(by_file: dict[int, list[int]]) -> list[int]:
        if len(by_file) > MAX_GLOBAL_TARGETS:
            return []
        found = [symbol for symbols in by_file.values() for symbol in symbols]
        return found if len(found) <= MAX_GLOBAL_TARGETS else []


def _resolve(
    layout: Layout, imports: list[list[int]], definitions: Definitions, field: str
) -> Iterator[tuple[int, int]]:
    for node, file in enumerate(layout.files):
        folder = get_parent(file.path)
        first = layout.first_symbols[node]
        known: dict[int, list[int]] = {}
        owners, names = getattr(file, field).tolist()
        for owner, name in zip(owners, names, strict=True):
            if name not in known:
                known[name] = definitions.find(name, node, folder, imports[node])
            source = node if owner < 0 else first + owner
            for target in known[name]:
                yield source, target


def _make_edges(pairs: Iterator[tuple[int, int]]) -> npt.NDArray[np.int64]:
    flat = np.fromiter((node for pair in pairs for node in pair), np.int64)
    return flat.reshape(-1, 2).T


def make_call_edges(layout: Layout, imports: list[list[int]]) -> npt.NDArray[np.int64]:
    """Return (2, E) from each caller, a symbol or a file's top level, to what it may call."""
    return _make_edges(_resolve(layout, imports, Definitions(layout), "calls"))


def make_inheritance_edges(layout: Layout, imports: list[list[int]]) -> npt.NDArray[np.int64]:
    """Return (2, E) from each class to the classes that its bases may be."""
    classes = Definitions(layout, classes_only=True)
    return _make_edges(
        (source, target)
        for source, target in _resolve(layout, imports, classes, "bases")
        if source >= len(layout.files)
    )
