"""From the facts of all files to the graph of one branch."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.code import FileFacts
from ingestion_pipeline.core.graph import CodeGraph, Relation, TermField, TermMatrix
from ingestion_pipeline.core.records import TermRows
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.graph.collect import collect_files
from ingestion_pipeline.graph.imports import make_import_edges, resolve_imports
from ingestion_pipeline.graph.nodes import Layout, lay_out, make_contains_edges, make_nodes
from ingestion_pipeline.graph.references import make_call_edges, make_inheritance_edges
from ingestion_pipeline.graph.term_rows import join_terms, pack_terms, split_first


def _clean_edges(edges: npt.NDArray[np.int64], node_count: int) -> npt.NDArray[np.int64]:
    """Return the edges sorted by source and target, without self-loops and duplicates."""
    source, target = edges[:, edges[0] != edges[1]]
    keys = np.unique(source * node_count + target)
    return np.stack([keys // node_count, keys % node_count]) if keys.size else _no_edges()


def _no_edges() -> npt.NDArray[np.int64]:
    return np.zeros((2, 0), np.int64)


def _pack_directories(layout: Layout, field: TermField) -> TermRows:
    """Return a directory's words: its name, and the path it is at; it has no text of its own."""
    rows: list[dict[int, int]] = [{} for _ in layout.directories]
    if field is TermField.NAME:
        rows = [count_terms(split_text(path.rpartition("/")[2])) for path in layout.directories]
    if field is TermField.PATH:
        rows = [count_terms(split_text(path)) for path in layout.directories]
    return pack_terms(rows)


def _join_field(layout: Layout, field: TermField) -> TermMatrix:
    parts = [split_first(file.terms[field]) for file in layout.files]
    return join_terms(
        [
            *(of_file for of_file, _ in parts),
            *(of_symbols for _, of_symbols in parts),
            _pack_directories(layout, field),
        ]
    )


def build_graph(facts: Iterable[FileFacts]) -> CodeGraph:
    """Build the graph of one branch.

    Time grows with the facts alone: no step compares files or symbols with one another. Memory
    holds arrays and the text that payloads show, never all of ``facts``.

    Args:
        facts: Every file of the branch, in any order, consumed once.

    Returns:
        The graph; with no facts, one of no nodes and well-shaped arrays.

    Raises:
        ValueError: Two facts have the same path.
    """
    layout = lay_out(collect_files(facts))
    imports = resolve_imports(layout.files)
    edges = {
        Relation.CONTAINS: make_contains_edges(layout),
        Relation.IMPORTS: make_import_edges(imports),
        Relation.CALLS: make_call_edges(layout, imports),
        Relation.INHERITS: make_inheritance_edges(layout, imports),
    }
    return CodeGraph(
        nodes=make_nodes(layout),
        edges={name: _clean_edges(found, layout.node_count) for name, found in edges.items()},
        terms={field: _join_field(layout, field) for field in TermField},
    )
