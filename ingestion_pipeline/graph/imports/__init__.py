"""From what a file writes in its imports to the files it means, one resolver a language.

Every resolver is a function of the importing file's path, one target as the parser wrote it (see
``ingestion_pipeline.parse``) and the index of paths. Build files are not read; a target that fits
too many files, or none, gives no edge.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.graph.collect import CollectedFile
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
from ingestion_pipeline.graph.paths import PathIndex

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


def resolve_imports(files: list[CollectedFile]) -> list[list[int]]:
    """Return for each file the nodes of the files it imports, sorted, itself left out."""
    index = PathIndex([(file.path, file.family) for file in files])
    resolved: list[list[int]] = []
    for node, file in enumerate(files):
        resolver = RESOLVERS.get(file.family)
        found: set[int] = set()
        if resolver:
            for target in file.imports:
                found.update(resolver(file.path, target, index))
        found.discard(node)
        resolved.append(sorted(found))
    return resolved


def make_import_edges(imports: list[list[int]]) -> npt.NDArray[np.int64]:
    """Return (2, E) from each file to those it imports."""
    sources = np.repeat(np.arange(len(imports)), [len(found) for found in imports])
    targets = np.fromiter((node for found in imports for node in found), np.int64, len(sources))
    return np.stack([sources, targets])
