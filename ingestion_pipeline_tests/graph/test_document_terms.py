"""The words of files and directories by themselves: the rows that the whole graph has."""

import numpy as np
from hypothesis import given, settings

from ingestion_pipeline.core.code import FileFacts
from ingestion_pipeline.core.graph import TermField, TermMatrix
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.graph import (
    build_graph,
    build_structure,
    join_document_terms,
    make_directory_terms,
    make_document_terms,
)
from ingestion_pipeline.graph.facts import make_structure, make_text
from ingestion_pipeline_tests.graph.facts_factory import make_file
from ingestion_pipeline_tests.graph.test_build_graph import repositories


def read_row(matrix: TermMatrix, row: int) -> dict[int, float]:
    span = slice(matrix.offsets[row], matrix.offsets[row + 1])
    return dict(zip(matrix.term_ids[span].tolist(), matrix.counts[span].tolist(), strict=True))


def join_files(facts: list[FileFacts]) -> dict[TermField, TermMatrix]:
    return join_document_terms(
        make_document_terms(file.path, make_structure(file), make_text(file)) for file in facts
    )


@settings(deadline=None, max_examples=40)
@given(facts=repositories())
def test_rows_are_those_of_the_graph(facts: list[FileFacts]) -> None:
    graph = build_graph(facts)
    structure = build_structure((file.path, make_structure(file)) for file in facts)
    facts = sorted(facts, key=lambda file: file.path)
    joined = join_files(facts)
    folders = join_document_terms([make_directory_terms(structure.directories)])

    nodes: list[int] = []
    for file, (start, stop) in enumerate(
        zip(structure.first_symbols, structure.first_symbols[1:], strict=False)
    ):
        nodes += [file, *range(start, stop)]
    for field in TermField:
        rows = range(len(joined[field].offsets) - 1)
        expected = [read_row(graph.terms[field], node) for node in nodes]
        assert [read_row(joined[field], row) for row in rows] == expected
        rows = range(len(structure.directories))
        expected = [read_row(graph.terms[field], structure.first_symbols[-1] + r) for r in rows]
        assert [read_row(folders[field], row) for row in rows] == expected


def test_a_symbol_is_placed_in_its_file_and_its_owner() -> None:
    joined = join_files([make_file("src/web/data_store.py", "Cart", "Cart.add_item", body="open")])

    def row_of(field: TermField, row: int) -> dict[int, float]:
        return read_row(joined[field], row)

    assert row_of(TermField.PATH, 0) == count_terms(split_text("src web"))
    assert row_of(TermField.PATH, 1) == count_terms(split_text("data store"))
    assert row_of(TermField.PATH, 2) == count_terms(split_text("data store Cart"))
    assert row_of(TermField.NAME, 2) == count_terms(split_text("add item"))
    assert row_of(TermField.BODY, 0) == count_terms(split_text("open"))


def test_no_documents_give_matrices_without_rows() -> None:
    joined = join_document_terms([])
    for matrix in joined.values():
        assert matrix.offsets.tolist() == [0]
        assert (matrix.term_ids.dtype, matrix.counts.dtype) == (np.int64, np.float32)
