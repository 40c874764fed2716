"""From what a file writes in its imports to the files it means, one resolver a language.

Every resolver is a function of the importing file's path, one target as the parser wrote it (see
``ingestion_pipeline.parse``) and the index of paths. Build files are not read; a target that fits
too many files, or none, gives no edge.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.graph.collect import Files
from ingestion_pipeline.graph.imports.dotted import resolve_csharp, resolve_java
from ingestion_pipeline.graph.imports.go import resolve_go
from ingestion_pipeline.graph.imports.javascript import resolve_javascript
from ingestion_pipeline.graph.imports.python import resolve_python
from ingestion_pipeline.graph.imports.rust import resolve_rust
from ingestion_pipeline.graph.imports.scripts import (
    resolve_bash,
    resolve_include,
    resolve_php,
    resolve_ruby,
)
from ingestion_pipeline.graph.paths import PathIndex, get_parent
from ingestion_pipeline.graph.ranges import make_offsets

RESOLVERS: dict[str, Callable[[str, str, PathIndex], list[int]]] = {
    "bash": resolve_bash,
    "c": resolve_include,
    "csharp": resolve_csharp,
    "go": resolve_go,
    "java": resolve_java,
    "javascript": resolve_javascript,
    "php": resolve_php,
    "python": resolve_python,
    "ruby": resolve_ruby,
    "rust": resolve_rust,
}
"""Family of languages → resolver; a family that is missing here imports nothing."""


# Families whose targets mean the same from every file, and those where the very file counts; for
# all others its folder does.
_ABSOLUTE = frozenset({"csharp", "go", "java"})
_BY_FILE = frozenset({"rust"})


@dataclass(frozen=True)
class FileImports:
    """Which files each file imports.

    Args:
        offsets: (F + 1,) int64; file i imports ``targets[offsets[i]:offsets[i + 1]]``.
        targets: (E,) int64, nodes of files, sorted for each file, itself left out.
    """

    offsets: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]

    def make_edges(self) -> npt.NDArray[np.int64]:
        """Return (2, E) from each file to those it imports."""
        counts = np.diff(self.offsets)
        return np.stack([np.repeat(np.arange(len(counts)), counts), self.targets])

    @cached_property
    def _keys(self) -> npt.NDArray[np.int64]:
        """(E,) int64, source and target of each edge in one number, sorted."""
        sources, targets = self.make_edges()
        return sources * (len(self.offsets) - 1) + targets

    def contains(
        self, files: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Tell for each pair whether the file imports the target."""
        wanted = files * (len(self.offsets) - 1) + targets
        if not len(self._keys):
            return np.zeros(len(wanted), bool)
        places = np.searchsorted(self._keys, wanted)
        places[places == len(self._keys)] = 0
        return self._keys[places] == wanted


class _Meanings:
    """Resolves targets, each but once in the places where it means the same.

    Args:
        index: Of all paths. Files are to be asked for in the order of their paths, so that only
            one folder's answers are held.
    """

    def __init__(self, index: PathIndex) -> None:
        self._index = index
        self._everywhere: dict[tuple[str, str], list[int]] = {}
        self._folder = ""
        self._here: dict[tuple[str, str], list[int]] = {}

    def find(self, family: str, path: str, target: str) -> list[int]:
        """Return the files that a target means in a file of a family with a resolver."""
        resolver = RESOLVERS[family]
        if family in _BY_FILE:
            return resolver(path, target, self._index)
        if family in _ABSOLUTE or (family == "python" and not target.startswith(".")):
            known = self._everywhere
        else:
            if self._folder != get_parent(path):
                self._folder, self._here = get_parent(path), {}
            known = self._here
        if (family, target) not in known:
            known[family, target] = resolver(path, target, self._index)
        return known[family, target]


def _resolve_files(files: Files) -> Iterator[list[int]]:
    meanings = _Meanings(PathIndex(list(zip(files.paths, files.families, strict=True))))
    rows = zip(files.paths, files.families, files.imports.list_files(), strict=True)
    for node, (path, family, targets) in enumerate(rows):
        found: set[int] = set()
        for target in targets if family in RESOLVERS else ():
            found.update(meanings.find(family, path, target))
        found.discard(node)
        yield sorted(found)


def resolve_imports(files: Files) -> FileImports:
    """Return for each file the files it imports."""
    targets = array("q")
    counts = array("q")
    for found in _resolve_files(files):
        targets.extend(found)
        counts.append(len(found))
    return FileImports(
        make_offsets(np.frombuffer(counts, np.int64)), np.frombuffer(targets, np.int64)
    )
