"""From the facts of all files to the graph of one branch, text and all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingestion_pipeline.core.code import FileFacts
from ingestion_pipeline.core.graph import CodeGraph, GraphStructure, TermField, TermMatrix
from ingestion_pipeline.core.records import FileStructure, TermRows
from ingestion_pipeline.graph.document_terms import make_directory_terms, make_document_terms
from ingestion_pipeline.graph.facts import make_structure, make_text
from ingestion_pipeline.graph.nodes import FileRows, make_file_rows, make_nodes
from ingestion_pipeline.graph.structure import build_structure
from ingestion_pipeline.graph.term_rows import join_terms, split_first


@dataclass(frozen=True, slots=True)
class _Collected:
    rows: FileRows
    terms: dict[TermField, TermRows]


class _Collector:
    """Takes facts in, passes on their structure and keeps the rest of each by path."""

    def __init__(self) -> None:
        self.files: dict[str, _Collected] = {}

    def read(self, facts: Iterable[FileFacts]) -> Iterator[tuple[str, FileStructure]]:
        for file in facts:
            structure = make_structure(file)
            terms = make_document_terms(file.path, structure, make_text(file))
            self.files[file.path] = _Collected(make_file_rows(file), terms)
            yield file.path, structure


def _join_field(structure: GraphStructure, files: list[_Collected], field: TermField) -> TermMatrix:
    parts = [split_first(file.terms[field]) for file in files]
    return join_terms(
        [
            *(of_file for of_file, _ in parts),
            *(of_symbols for _, of_symbols in parts),
            make_directory_terms(structure.directories)[field],
        ]
    )


def build_graph(facts: Iterable[FileFacts]) -> CodeGraph:
    """Build the graph of one branch.

    Memory holds arrays and the text that payloads show, never all of ``facts``; where the text is
    not wanted, ``build_structure`` takes a fraction of time and memory.

    Args:
        facts: Every file of the branch, in any order, consumed once.

    Returns:
        The graph; with no facts, one of no nodes and well-shaped arrays.

    Raises:
        ValueError: Two facts have the same path.
    """
    collector = _Collector()
    structure = build_structure(collector.read(facts))
    files = [collector.files[path] for path in structure.paths]
    return CodeGraph(
        nodes=make_nodes(structure, [file.rows for file in files]),
        edges=structure.edges,
        terms={field: _join_field(structure, files, field) for field in TermField},
    )
