"""From what a file writes in its imports to the files it means, one resolver a language.

Every resolver is a function of the importing file's path, one target as the parser wrote it (see
``ingestion_pipeline.parse``) and the index of paths. Build files are not read; a target that fits
too many files, or none, gives no edge.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


# Families whose targets mean the same from every file, and the one where the very file counts; for
# the others the folder does.
_ABSOLUTE = frozenset({"csharp", "go", "java"})
_BY_FILE = frozenset({"rust"})


@dataclass(frozen=True, slots=True)
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

    def contains(
        self, files: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Tell for each pair whether the file imports the target."""
        sources, found = self.make_edges()
        file_count = len(self.offsets) - 1
        # Sorted by file and target, hence by this key.
        keys, wanted = sources * file_count + found, files * file_count + targets
        places = np.searchsorted(keys, wanted)
        places[places == len(keys)] = 0
        return keys[places] == wanted if len(keys) else np.zeros(len(wanted), bool)


def _get_scope(family: str, path: str, target: str) -> str:
    """Return the part of the importing file's path that a target's meaning depends on."""
    if family in _ABSOLUTE or (family == "python" and not target.startswith(".")):
        return ""
    return path if family in _BY_FILE else get_parent(path)


def _resolve_files(files: Files) -> Iterator[list[int]]:
    index = PathIndex(list(zip(files.paths, files.families, strict=True)))
    known: dict[tuple[str, str, str], list[int]] = {}
    rows = zip(files.paths, files.families, files.imports.list_files(), strict=True)
    for node, (path, family, targets) in enumerate(rows):
        resolver = RESOLVERS.get(family)
        found: set[int] = set()
        for target in targets if resolver else ():
            key = (family, _get_scope(family, path, target), target)
            if key not in known:
                known[key] = resolver(path, target, index)
            found.update(known[key])
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
