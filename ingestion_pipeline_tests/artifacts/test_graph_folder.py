"""The graph folder and the vectors file: what goes in comes out, whole or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.artifacts.graphs import (
    read_graph,
    read_vectors,
    write_graph,
    write_vectors,
)
from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.core.graph import CodeGraph, Relation, TermField, TermMatrix

TEXT_COLUMNS = ["path", "symbol", "kind", "name", "signature", "docstring", "language", "blob_sha"]


def make_graph(count: int, seed: int = 0, text: str = "x") -> CodeGraph:
    """Make a graph of random numbers, in the documented columns and types."""
    rng = np.random.default_rng(seed)
    nodes = pd.DataFrame(
        {
            "type": rng.integers(0, 4, count).astype(np.int8),
            "file": np.arange(count, dtype=np.int64),
            "start_line": np.ones(count, np.int64),
            "end_line": rng.integers(1, 100, count),
            **{name: pd.Series([f"{text}{i}" for i in range(count)], dtype="str")
               for name in TEXT_COLUMNS},
        }
    )  # fmt: skip
    lengths = rng.integers(0, 4, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    matrix = TermMatrix(offsets, rng.integers(0, 2**32, total), rng.random(total, dtype=np.float32))
    edges = rng.integers(0, max(count, 1), (2, count))
    return CodeGraph(nodes, dict.fromkeys(Relation, edges), dict.fromkeys(TermField, matrix))


def assert_same_graph(first: CodeGraph, second: CodeGraph) -> None:
    pd.testing.assert_frame_equal(first.nodes, second.nodes)
    for relation in Relation:
        np.testing.assert_array_equal(first.edges[relation], second.edges[relation], strict=True)
    for field in TermField:
        for part in ("offsets", "term_ids", "counts"):
            np.testing.assert_array_equal(
                getattr(first.terms[field], part), getattr(second.terms[field], part), strict=True
            )


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(0, 20),
    seed=st.integers(0, 1000),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
def test_a_graph_comes_back(
    count: int, seed: int, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("graph") / "graph"
    graph = make_graph(count, seed, text)

    write_graph(path, graph)

    assert_same_graph(read_graph(path), graph)


def test_writing_again_replaces_and_leaves_no_litter(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph", make_graph(3))
    write_graph(tmp_path / "graph", make_graph(5))

    assert_same_graph(read_graph(tmp_path / "graph"), make_graph(5))
    assert [entry.name for entry in tmp_path.iterdir()] == ["graph"]


def test_a_failure_leaves_the_old_graph(tmp_path: Path) -> None:
    path = tmp_path / "graph"
    write_graph(path, make_graph(3))
    broken = CodeGraph(make_graph(4).nodes, {}, {})

    with pytest.raises(KeyError):
        write_graph(path, broken)

    assert_same_graph(read_graph(path), make_graph(3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["graph"]


def test_another_layout_says_to_run_again_from_the_first_op(tmp_path: Path) -> None:
    path = tmp_path / "graph"
    write_graph(path, make_graph(3))
    table = pq.read_table(path / "nodes.parquet")
    newer = {**(table.schema.metadata or {}), b"ingestion_pipeline.layout": b"graph/99"}
    pq.write_table(table.replace_schema_metadata(newer), path / "nodes.parquet")

    with pytest.raises(ArtifactError, match=r"'graph/99'.*Run again from the first op"):
        read_graph(path)


def test_a_missing_or_damaged_graph_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not there"):
        read_graph(tmp_path / "graph")
    write_graph(tmp_path / "graph", make_graph(3))
    damaged = tmp_path / "graph" / "body_counts.npy"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_graph(tmp_path / "graph")


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph", make_graph(3))
    evil = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "graph" / "body_counts.npy", evil, allow_pickle=True)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_graph(tmp_path / "graph")


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(0, 30), seed=st.integers(0, 100))
def test_vectors_come_back_as_a_map(
    rows: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("vectors") / "vectors.npy"
    vectors = np.random.default_rng(seed).random((rows, 8), dtype=np.float32)

    write_vectors(path, vectors)

    np.testing.assert_array_equal(read_vectors(path), vectors, strict=True)
    assert isinstance(read_vectors(path), np.memmap)
    assert not read_vectors(path).flags.writeable


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be \(N, D\) float32"):
        write_vectors(tmp_path / "v.npy", np.zeros(3, np.float32))
    np.save(tmp_path / "v.npy", np.zeros((2, 2)))
    with pytest.raises(ArtifactError, match="float64"):
        read_vectors(tmp_path / "v.npy")
    with pytest.raises(ArtifactError, match="is not there"):
        read_vectors(tmp_path / "none.npy")
    (tmp_path / "v.npy").write_bytes(b"not an array")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_vectors(tmp_path / "v.npy")
