"""The meaning of calls and bases in plain loops: what the vectorised look-up must agree with."""

from collections.abc import Mapping, Sequence

from ingestion_pipeline.core.records import FileStructure, References
from ingestion_pipeline.graph.imports import RESOLVERS
from ingestion_pipeline.graph.languages import get_family
from ingestion_pipeline.graph.paths import PathIndex

Symbol = tuple[str, int]
"""Path, and index within the file; -1 for the file itself."""
Edges = set[tuple[Symbol, Symbol]]


def find_imports(files: Mapping[str, FileStructure]) -> dict[str, set[str]]:
    """Return what each file imports, every target resolved by itself."""
    paths = sorted(files)
    index = PathIndex([(path, get_family(files[path].language)) for path in paths])
    found: dict[str, set[str]] = {}
    for path in paths:
        resolver = RESOLVERS.get(get_family(files[path].language))
        nodes = [
            n for t in files[path].imports for n in (resolver(path, t, index) if resolver else [])
        ]
        found[path] = {paths[node] for node in nodes} - {path}
    return found


class PlainNames:
    """Looks names up as the documentation of ``graph.references`` says."""

    def __init__(self, files: Mapping[str, FileStructure]) -> None:
        self.files = files
        self.imports = find_imports(files)

    def _list(self, path: str, name: str, *, classes: bool) -> list[Symbol]:
        structure = self.files[path]
        return [
            (path, place)
            for place, (kind, defined) in enumerate(
                zip(structure.kinds, structure.names, strict=True)
            )
            if defined == name and (kind == "class" or not classes)
        ]

    def find(self, path: str, name: str, *, classes: bool) -> Sequence[Symbol]:
        family = get_family(self.files[path].language)
        folder = path.rpartition("/")[0]
        related = [p for p in sorted(self.files) if get_family(self.files[p].language) == family]
        stages = (
            [path],
            sorted(self.imports[path]),
            [p for p in related if p.rpartition("/")[0] == folder],
        )
        for paths in stages:
            found = [s for p in paths if p in related for s in self._list(p, name, classes=classes)]
            if found:
                return found[:4]
        found = [s for p in related for s in self._list(p, name, classes=classes)]
        return found if len(found) <= 3 else []

    def _resolve(self, path: str, references: References, *, classes: bool) -> Edges:
        return {
            ((path, owner), target)
            for owner, name in zip(references.owners.tolist(), references.names, strict=True)
            for target in self.find(path, name, classes=classes)
            if target != (path, owner)
        }

    def find_calls(self) -> Edges:
        found = [self._resolve(p, s.calls, classes=False) for p, s in self.files.items()]
        return set().union(*found)

    def find_bases(self) -> Edges:
        found = [self._resolve(p, s.bases, classes=True) for p, s in self.files.items()]
        return {edge for edge in set().union(*found) if edge[0][1] >= 0}
