"""The graph as a whole: order of nodes, containment, words, and independence of input order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.code import FileFacts
from ingestion_pipeline.core.graph import CodeGraph, NodeType, Relation, TermField
from ingestion_pipeline.core.terms import count_terms
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline_tests.graph.facts_factory import make_file, name_edges, name_nodes

FILES = [
    make_file("src/b.py", "Outer", "Outer.run", "main", body="open socket open", doc="server"),
    make_file("src/deep/a.py", "helper"),
    make_file("README.md"),
]


def terms_of(graph: CodeGraph, field: TermField, node: str) -> dict[int, int]:
    matrix = graph.terms[field]
    row = name_nodes(graph).index(node)
    span = slice(matrix.offsets[row], matrix.offsets[row + 1])
    return dict(zip(matrix.term_ids[span].tolist(), matrix.counts[span].tolist(), strict=True))


def assert_same_graph(first: CodeGraph, second: CodeGraph) -> None:
    import pandas as pd

    pd.testing.assert_frame_equal(first.nodes, second.nodes)
    for relation in Relation:
        np.testing.assert_array_equal(first.edges[relation], second.edges[relation])
    for field in TermField:
        for part in ("offsets", "term_ids", "counts"):
            np.testing.assert_array_equal(
                getattr(first.terms[field], part), getattr(second.terms[field], part)
            )


def assert_well_shaped(graph: CodeGraph) -> None:
    count = graph.node_count
    assert len(graph.nodes) == count
    assert graph.nodes["type"].dtype == np.int8
    assert graph.nodes["file"].dtype == np.int64
    for relation in Relation:
        edges = graph.edges[relation]
        assert edges.shape[0] == 2
        assert edges.dtype == np.int64
        assert ((edges >= 0) & (edges < count)).all()
        assert (edges[0] != edges[1]).all()
        assert len(np.unique(edges, axis=1).T) == edges.shape[1]
    for field in TermField:
        matrix = graph.terms[field]
        assert matrix.offsets.shape == (count + 1,)
        assert matrix.offsets.dtype == np.int64
        assert matrix.term_ids.dtype == np.int64
        assert matrix.counts.dtype == np.float32
        assert matrix.offsets[-1] == len(matrix.term_ids) == len(matrix.counts)
        for low, high in zip(matrix.offsets[:-1], matrix.offsets[1:], strict=True):
            assert (np.diff(matrix.term_ids[low:high]) > 0).all()


def test_nodes_are_files_then_symbols_then_directories() -> None:
    graph = build_graph(FILES)

    assert name_nodes(graph) == [
        "README.md",
        "src/b.py",
        "src/deep/a.py",
        "src/b.py::Outer",
        "src/b.py::Outer.run",
        "src/b.py::main",
        "src/deep/a.py::helper",
        "/",
        "src/",
        "src/deep/",
    ]
    assert graph.nodes["file"].tolist() == [0, 1, 2, 1, 1, 1, 2, -1, -1, -1]
    assert graph.nodes["type"].tolist() == [1, 1, 1, 2, 3, 3, 3, 0, 0, 0]
    assert graph.nodes["kind"].tolist()[3:7] == ["class", "method", "function", "function"]
    assert graph.nodes["name"].tolist()[1:5] == ["b.py", "a.py", "Outer", "run"]
    assert graph.nodes["blob_sha"].tolist()[3] == "sha of src/b.py"
    assert_well_shaped(graph)


def test_containment_is_a_tree_from_the_root() -> None:
    graph = build_graph(FILES)

    edges = name_edges(graph, Relation.CONTAINS)
    assert edges == {
        ("/", "README.md"),
        ("/", "src/"),
        ("src/", "src/b.py"),
        ("src/", "src/deep/"),
        ("src/deep/", "src/deep/a.py"),
        ("src/b.py", "src/b.py::Outer"),
        ("src/b.py::Outer", "src/b.py::Outer.run"),
        ("src/b.py", "src/b.py::main"),
        ("src/deep/a.py", "src/deep/a.py::helper"),
    }
    assert len({child for _, child in edges}) == graph.node_count - 1


def test_words_stand_in_their_fields() -> None:
    graph = build_graph(FILES)

    assert terms_of(graph, TermField.BODY, "src/b.py") == count_terms(["open", "open", "socket"])
    assert terms_of(graph, TermField.DOC, "src/b.py") == count_terms(["server"])
    assert terms_of(graph, TermField.NAME, "src/deep/a.py::helper") == count_terms(["helper"])
    assert terms_of(graph, TermField.PATH, "src/deep/a.py") == count_terms(["src", "deep"])
    assert terms_of(graph, TermField.PATH, "src/b.py::Outer.run") == count_terms(["outer"])
    assert terms_of(graph, TermField.NAME, "src/deep/") == count_terms(["deep"])
    assert terms_of(graph, TermField.BODY, "src/deep/") == {}


def test_no_facts_give_an_empty_graph() -> None:
    graph = build_graph([])
    assert graph.node_count == 0
    assert_well_shaped(graph)


def test_a_single_file() -> None:
    graph = build_graph([make_file("a.py")])
    assert name_nodes(graph) == ["a.py", "/"]
    assert name_edges(graph, Relation.CONTAINS) == {("/", "a.py")}
    assert graph.nodes["type"].tolist() == [NodeType.FILE, NodeType.DIRECTORY]
    assert_well_shaped(graph)


def test_the_same_path_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"The path 'a.py' was given twice"):
        build_graph([make_file("a.py"), make_file("a.py")])


names = st.sampled_from(["load", "save", "Store", "Base", "run"])


@st.composite
def repositories(draw: st.DrawFn) -> list[FileFacts]:
    folders = st.sampled_from(["", "src/", "src/core/", "tests/"])
    endings = st.sampled_from(["py", "ts", "go", "rb"])
    stems = st.sampled_from(["a", "b", "index", "__init__"])
    paths = draw(
        st.lists(
            st.tuples(folders, stems, endings).map(lambda p: f"{p[0]}{p[1]}.{p[2]}"),
            unique=True,
            max_size=8,
        )
    )
    files = []
    for path in paths:
        symbols = draw(st.lists(names, unique=True, max_size=4))
        owners = st.sampled_from(["", *symbols])
        references = st.lists(st.tuples(owners, names), max_size=5)
        targets = st.sampled_from(["src.a", ".b:load", "./b", "require:a", "x.org/src/core"])
        files.append(
            make_file(
                path,
                *symbols,
                imports=draw(st.lists(targets, max_size=3)),
                calls=draw(references),
                bases=draw(references),
                body=draw(st.sampled_from(["", "open socket", "read the file"])),
            )
        )
    return files


@settings(deadline=None, max_examples=40)
@given(files=repositories(), data=st.data())
def test_the_order_of_the_facts_does_not_matter(
    files: list[FileFacts], data: st.DataObject
) -> None:
    graph = build_graph(files)

    assert_well_shaped(graph)
    assert_same_graph(graph, build_graph(iter(data.draw(st.permutations(files)))))
