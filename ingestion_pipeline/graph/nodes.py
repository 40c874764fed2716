"""The table of nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingestion_pipeline.core.code import FileFacts
from ingestion_pipeline.core.graph import GraphStructure

if TYPE_CHECKING:
    import pandas as pd

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


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """What the table of nodes keeps of a symbol."""

    kind: str
    name: str
    key: str
    signature: str
    docstring: str
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class FileRows:
    """What the table of nodes keeps of a file: a tenth of the memory of ``FileFacts``.

    Args:
        path, blob_sha, language, line_count, docstring: As in ``FileFacts``.
        symbols: Likewise, in order.
    """

    path: str
    blob_sha: str
    language: str
    line_count: int
    docstring: str
    symbols: tuple[SymbolRow, ...]


def make_file_rows(facts: FileFacts) -> FileRows:
    """Return what the table of nodes keeps of a file."""
    symbols = tuple(
        SymbolRow(s.kind.value, s.name, s.key, s.signature, s.docstring, s.start_line, s.end_line)
        for s in facts.symbols
    )
    return FileRows(
        facts.path, facts.blob_sha, facts.language, facts.line_count, facts.docstring, symbols
    )


def _make_file_part(files: Sequence[FileRows]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {
            "path": [file.path for file in files],
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


def _make_symbol_part(files: Sequence[FileRows]) -> "pd.DataFrame":
    import pandas as pd

    symbols = [symbol for file in files for symbol in file.symbols]
    owners = [file for file in files for _ in file.symbols]
    return pd.DataFrame(
        {
            "path": [file.path for file in owners],
            "symbol": [symbol.key for symbol in symbols],
            "kind": [symbol.kind for symbol in symbols],
            "name": [symbol.name for symbol in symbols],
            "signature": [symbol.signature for symbol in symbols],
            "docstring": [symbol.docstring for symbol in symbols],
            "language": [file.language for file in owners],
            "start_line": [symbol.start_line for symbol in symbols],
            "end_line": [symbol.end_line for symbol in symbols],
            "blob_sha": [file.blob_sha for file in owners],
        }
    )


def _make_directory_part(paths: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {
            "path": paths,
            "kind": "directory",
            "name": [PurePosixPath(path).name for path in paths],
            **dict.fromkeys(("symbol", "signature", "docstring", "language", "blob_sha"), ""),
            "start_line": 0,
            "end_line": 0,
        }
    )


def make_nodes(structure: GraphStructure, files: Sequence[FileRows]) -> "pd.DataFrame":
    """Return the table of nodes, columns and types as ``CodeGraph`` documents them.

    Args:
        structure: The nodes.
        files: The rows of each file, in order.
    """
    import pandas as pd

    texts = {name: kind for name, kind in _COLUMNS.items() if name not in ("type", "file")}
    parts = [
        part.astype(texts)
        for part in (
            _make_file_part(files),
            _make_symbol_part(files),
            _make_directory_part(structure.directories),
        )
    ]
    nodes = pd.concat(parts, ignore_index=True)
    nodes = nodes.assign(type=structure.types, file=structure.files)[list(_COLUMNS)]
    assert isinstance(nodes, pd.DataFrame)
    return nodes
