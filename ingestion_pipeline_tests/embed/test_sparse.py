"""Sparse words: BM25's values, node by node."""

import numpy as np
import pytest

from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.core.points import SparseVector
from ingestion_pipeline.core.terms import hash_term
from ingestion_pipeline.embed import make_query_sparse, make_sparse_vectors, sparse
from ingestion_pipeline_tests.embed.graphs import BODY, NAME, SHOP, make_graph


def test_values_are_bm25_over_weighted_fields() -> None:
    graph = make_graph([(NodeType.FUNCTION, {NAME: "send", BODY: "send send letter"})])

    vector = make_sparse_vectors(graph)[0]

    # send: 3 for the name + 2, letter: 1; six weighted words where the average has 47.
    penalty = 1.2 * (1 - 0.75 + 0.75 * 6 / 47)
    expected = {
        hash_term("send"): 5 * 2.2 / (5 + penalty),
        hash_term("letter"): 1 * 2.2 / (1 + penalty),
    }
    assert vector.indices == tuple(sorted(expected))
    assert vector.values == pytest.approx([expected[i] for i in vector.indices], rel=1e-6)


def test_every_node_has_strictly_increasing_32_bit_ids() -> None:
    vectors = make_sparse_vectors(SHOP)

    assert len(vectors) == SHOP.node_count
    for vector in vectors:
        assert list(vector.indices) == sorted(set(vector.indices))
        assert all(0 <= index < 2**32 for index in vector.indices)
        assert all(0 < value < 2.2 for value in vector.values)
    assert vectors[5] == SparseVector((), ())


def test_a_vector_depends_on_its_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    node = (NodeType.CLASS, {NAME: "Cart", BODY: "add item total"})
    crowd = [(NodeType.FILE, {BODY: f"word{n} item"}) for n in range(5)]
    alone = make_sparse_vectors(make_graph([node]))[0]

    assert make_sparse_vectors(make_graph([*crowd, node]))[5] == alone
    monkeypatch.setattr(sparse, "_CHUNK_NODES", 2)
    assert make_sparse_vectors(make_graph([*crowd, node]))[5] == alone


def test_it_is_a_sequence() -> None:
    vectors = make_sparse_vectors(SHOP)
    assert vectors[-1] == vectors[6]
    assert vectors[1:3] == [vectors[1], vectors[2]]
    with pytest.raises(IndexError):
        vectors[7]


def test_an_empty_graph() -> None:
    vectors = make_sparse_vectors(make_graph([]))
    assert len(vectors) == 0
    assert vectors.offsets.tolist() == [0]


def test_a_query_holds_each_word_once_whatever_its_ending() -> None:
    ids = sorted([hash_term("pars"), hash_term("respons")])
    for words in ("the response; parse_ responses", "Parses a Response", "parsedResponse parsing"):
        assert make_query_sparse(words) == SparseVector(tuple(ids), (1.0, 1.0))


def test_a_query_without_words_matches_nothing() -> None:
    assert make_query_sparse("of the if 12") == SparseVector((), ())


def test_a_query_scores_the_right_symbol_highest() -> None:
    query = make_query_sparse("smtp recipients")
    scores = []
    for vector in make_sparse_vectors(SHOP)[2:6]:
        weights = dict(zip(vector.indices, vector.values, strict=True))
        scores.append(sum(weights.get(index, 0.0) for index in query.indices))
    assert 2 + int(np.argmax(scores)) == 4
