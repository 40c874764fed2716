"""The table of nodes and the edges of containment."""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from ingestion_pipeline.core.code import SymbolKind
from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.graph.collect import CollectedFile

_COLUMNS = {
    "type": "int8",
    "path": "str",
    "file": "int64",
    "symbol": "str",
    "kind": "str",
    "name": "str",
    "signature": "str",
    "docstring": "str",
    "language": "str",
    "start_line": "int64",
    "end_line": "int64",
    "blob_sha": "str",
}


def get_parent(path: str) -> str:
    """Return the folder of a path, "" for the root's own children."""
    return path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which node number is what.

    Args:
        files: Sorted by path; file i is node i.
        first_symbols: Node of each file's first symbol, and one more for the end.
        directories: Path → node, "" for the root; none where there is no file.
    """

    files: list[CollectedFile]
    first_symbols: list[int]
    directories: dict[str, int]

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return self.first_symbols[-1] + len(self.directories)


def lay_out(files: list[CollectedFile]) -> Layout:
    """Number the nodes: files, then symbols, then directories by path."""
    first_symbols = list(accumulate((len(f.symbols) for f in files), initial=len(files)))
    paths: set[str] = set()
    for file in files:
        folder = get_parent(file.path)
        while folder not in paths:
            paths.add(folder)
            folder = get_parent(folder)
    numbered = enumerate(sorted(paths), start=first_symbols[-1])
    return Layout(files, first_symbols, {path: node for node, path in numbered})


def _file_rows(layout: Layout) -> pd.DataFrame:
    files = layout.files
    return pd.DataFrame(
        {
            "type": NodeType.FILE.value,
            "path": [file.path for file in files],
            "file": np.arange(len(files)),
            "symbol": "",
            "kind": "file",
            "name": [PurePosixPath(file.path).name for file in files],
            "signature": "",
            "docstring": [file.docstring for file in files],
            "language": [file.language for file in files],
            "start_line": 1,
            "end_line": [file.line_count for file in files],
            "blob_sha": [file.blob_sha for file in files],
        }
    )


def _symbol_rows(layout: Layout) -> pd.DataFrame:
    files = layout.files
    symbols = [symbol for file in files for symbol in file.symbols]
    owner = np.repeat(np.arange(len(files)), [len(file.symbols) for file in files])
    is_class = np.array([symbol.kind == SymbolKind.CLASS for symbol in symbols], bool)
    owners = owner.tolist()
    return pd.DataFrame(
        {
            "type": np.where(is_class, NodeType.CLASS.value, NodeType.FUNCTION.value),
            "path": [files[i].path for i in owners],
            "file": owner,
            "symbol": [symbol.key for symbol in symbols],
            "kind": [symbol.kind for symbol in symbols],
            "name": [symbol.name for symbol in symbols],
            "signature": [symbol.signature for symbol in symbols],
            "docstring": [symbol.docstring for symbol in symbols],
            "language": [files[i].language for i in owners],
            "start_line": [symbol.start_line for symbol in symbols],
            "end_line": [symbol.end_line for symbol in symbols],
            "blob_sha": [files[i].blob_sha for i in owners],
        }
    )


def _directory_rows(layout: Layout) -> pd.DataFrame:
    paths = list(layout.directories)
    return pd.DataFrame(
        {
            "type": NodeType.DIRECTORY.value,
            "path": paths,
            "file": -1,
            "kind": "directory",
            "name": [PurePosixPath(path).name for path in paths],
            **dict.fromkeys(("symbol", "signature", "docstring", "language", "blob_sha"), ""),
            "start_line": 0,
            "end_line": 0,
        }
    )


def make_nodes(layout: Layout) -> pd.DataFrame:
    """Return the table of nodes, columns and types as ``CodeGraph`` documents them."""
    parts = [
        rows(layout)[list(_COLUMNS)].astype(_COLUMNS)
        for rows in (_file_rows, _symbol_rows, _directory_rows)
    ]
    nodes = pd.concat(parts, ignore_index=True)
    assert isinstance(nodes, pd.DataFrame)
    return nodes


def make_contains_edges(layout: Layout) -> npt.NDArray[np.int64]:
    """Return (2, E) from each container: directory to child, file or symbol to symbol."""
    sources: list[int] = []
    targets: list[int] = []
    for path, node in layout.directories.items():
        if path:
            sources.append(layout.directories[get_parent(path)])
            targets.append(node)
    for node, file in enumerate(layout.files):
        sources.append(layout.directories[get_parent(file.path)])
        targets.append(node)
        first = layout.first_symbols[node]
        for offset, symbol in enumerate(file.symbols):
            sources.append(node if symbol.parent < 0 else first + symbol.parent)
            targets.append(first + offset)
    return np.array([sources, targets], np.int64).reshape(2, -1)
