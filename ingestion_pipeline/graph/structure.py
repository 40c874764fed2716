"""From the structures of all files to the nodes and edges of one branch."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import GraphStructure, NodeType, Relation
from ingestion_pipeline.core.records import FileStructure
from ingestion_pipeline.graph.collect import Files, collect_files
from ingestion_pipeline.graph.folders import find_folders, make_contains_edges
from ingestion_pipeline.graph.imports import resolve_imports
from ingestion_pipeline.graph.ranges import make_offsets, sort_unique
from ingestion_pipeline.graph.references import make_call_edges, make_inheritance_edges


def _clean_edges(edges: npt.NDArray[np.int64], node_count: int) -> npt.NDArray[np.int64]:
    """Return the edges sorted by source and target, without self-loops and duplicates."""
    source, target = edges[:, edges[0] != edges[1]]
    keys = sort_unique(source * node_count + target)
    if not keys.size:
        return np.zeros((2, 0), np.int64)
    return np.stack(np.divmod(keys, node_count))


def _make_types(files: Files, folder_count: int) -> npt.NDArray[np.int8]:
    return np.concatenate(
        [
            np.full(len(files.paths), NodeType.FILE, np.int8),
            files.symbol_types,
            np.full(folder_count, NodeType.DIRECTORY, np.int8),
        ]
    )


def build_structure(files: Iterable[tuple[str, FileStructure]]) -> GraphStructure:
    """Find the nodes and edges of one branch.

    Time grows with the files alone: no step compares files or symbols with one another. Memory
    holds some 12 bytes a call and symbol, a few times over, and each distinct name once; never all
    of ``files``.

    Args:
        files: Path and structure of every file of the branch, in any order, consumed once.

    Returns:
        The structure; with no files, one of no nodes and well-shaped arrays.

    Raises:
        ValueError: Two files have the same path, or a structure is not well-formed.
    """
    collected = collect_files(files)
    folders = find_folders(collected.paths)
    file_count = len(collected.paths)
    first_symbols = file_count + make_offsets(collected.symbol_counts)
    imports = resolve_imports(collected)
    places = (folders.of_files, first_symbols, imports)
    edges = {
        Relation.CONTAINS: make_contains_edges(collected, folders, first_symbols),
        Relation.IMPORTS: imports.make_edges(),
        Relation.CALLS: make_call_edges(collected, *places),
        Relation.INHERITS: make_inheritance_edges(collected, *places),
    }
    owners = np.repeat(np.arange(file_count), collected.symbol_counts)
    node_count = int(first_symbols[-1]) + len(folders.paths)
    return GraphStructure(
        types=_make_types(collected, len(folders.paths)),
        files=np.concatenate([np.arange(file_count), owners, np.full(len(folders.paths), -1)]),
        paths=collected.paths,
        first_symbols=first_symbols,
        directories=folders.paths,
        edges={relation: _clean_edges(found, node_count) for relation, found in edges.items()},
    )
