"""The encoder step by step: words a batch at a time, messages, length; from memory or from disk."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.graph import CodeGraph, NodeType, Relation, TermField, TermMatrix
from ingestion_pipeline.embed import (
    ENCODER_DIM,
    Encoder,
    encode_graph,
    load_encoder,
    make_sparse_vectors,
    make_sparse_vectors_of,
)
from ingestion_pipeline.embed import encoder as encoder_module
from ingestion_pipeline.embed.version import TRAINED
from ingestion_pipeline.embed.weights import make_untrained_weights
from ingestion_pipeline_tests.embed.graphs import SHOP, Node, make_graph
from ingestion_pipeline_tests.embed.trained import make_layered_encoder

TYPES = SHOP.nodes["type"].to_numpy()

WITHOUT_TORCH = """
import sys
from ingestion_pipeline.embed import load_encoder
from ingestion_pipeline_tests.embed.graphs import SHOP
encoder = load_encoder("auto", sys.argv[1])
h = encoder.embed_words(SHOP.nodes["type"].to_numpy(), SHOP.terms)
passed = encoder.pass_messages(SHOP.edges, SHOP.node_count, h)
assert (passed is None) == (sys.argv[1] == "hashbag-1")
encoder.relate(h), encoder.finish(h), encoder.encode_text("send a letter")
print([m for m in ("torch", "torch_geometric", "matplotlib") if m in sys.modules])
"""


def take_rows(matrix: TermMatrix, start: int, stop: int) -> TermMatrix:
    offsets = matrix.offsets[start : stop + 1]
    span = slice(offsets[0], offsets[-1])
    return TermMatrix(offsets - offsets[0], matrix.term_ids[span], matrix.counts[span])


def take_terms(graph: CodeGraph, start: int, stop: int) -> dict[TermField, TermMatrix]:
    return {field: take_rows(matrix, start, stop) for field, matrix in graph.terms.items()}


def write_half(path: Path, h: np.ndarray) -> np.ndarray:
    """Return ``h`` as a read-only float16 file."""
    np.save(path, h.astype(np.float16))
    return np.load(path, mmap_mode="r")


@pytest.fixture(scope="module")
def torch_encoder() -> Encoder:
    """The untrained weights, by torch from the first term on."""
    encoder = Encoder(make_untrained_weights(), "cpu")
    encoder._plain_terms_left = 0
    return encoder


@pytest.fixture(scope="module")
def layered() -> Encoder:
    return make_layered_encoder()


words = st.lists(st.sampled_from("open close read write socket file tax".split()), max_size=40)


@settings(deadline=None, max_examples=30)
@given(texts=st.lists(st.dictionaries(st.sampled_from(TermField), words.map(" ".join)), max_size=6))
def test_numpy_and_torch_give_the_same_bits(
    torch_encoder: Encoder, texts: list[dict[TermField, str]]
) -> None:
    nodes: list[Node] = [(NodeType.FUNCTION, text) for text in texts]
    graph = make_graph(nodes)
    types = graph.nodes["type"].to_numpy()
    np.testing.assert_array_equal(
        load_encoder("cpu", "hashbag-1").embed_words(types, graph.terms),
        torch_encoder.embed_words(types, graph.terms),
    )


def test_long_bags_give_the_same_bits_too(torch_encoder: Encoder) -> None:
    rng = np.random.default_rng(3)
    lengths = np.array([3000, 0, 1, 700, 0, 64])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.concatenate([np.sort(rng.choice(2**32, n, replace=False)) for n in lengths])
    counts = rng.integers(1, 50, len(ids)).astype(np.float32)
    terms = dict.fromkeys(TermField, TermMatrix(offsets, ids.astype(np.int64), counts))
    types = np.full(len(lengths), NodeType.FILE)
    np.testing.assert_array_equal(
        load_encoder("cpu", "hashbag-1").embed_words(types, terms),
        torch_encoder.embed_words(types, terms),
    )


def test_texts_give_the_same_bits(torch_encoder: Encoder) -> None:
    texts = ["send a letter", "connect to the smtp socket of the recipient"]
    np.testing.assert_array_equal(
        load_encoder("cpu", "hashbag-1").encode_texts(texts), torch_encoder.encode_texts(texts)
    )


def test_from_some_size_on_torch_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encode_graph(load_encoder("cpu", "hashbag-1"), SHOP)
    monkeypatch.setattr(encoder_module, "PLAIN_TERMS", 20)
    monkeypatch.setattr(encoder_module, "CHUNK_NODES", 1)
    encoder = load_encoder("cpu", "hashbag-1")
    np.testing.assert_array_equal(encode_graph(encoder, SHOP), plain)
    assert "_torch" in vars(encoder)


@pytest.mark.parametrize("version", ["hashbag-1", TRAINED])
def test_a_small_change_imports_no_torch(version: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, version], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_do_not_show(encoder: Encoder, size: int) -> None:
    whole = encoder.embed_words(TYPES, SHOP.terms)
    batches = [
        encoder.embed_words(TYPES[start : start + size], take_terms(SHOP, start, start + size))
        for start in range(0, len(TYPES), size)
    ]
    np.testing.assert_array_equal(np.concatenate(batches), whole)


def test_no_nodes_give_no_rows(encoder: Encoder) -> None:
    empty = make_graph([])
    h = encoder.embed_words(empty.nodes["type"].to_numpy(), empty.terms)
    assert h.shape == (0, ENCODER_DIM)
    assert encoder.finish(h).shape == (0, ENCODER_DIM)


def test_untrained_layers_leave_the_vectors_where_they_are(encoder: Encoder) -> None:
    h = encoder.embed_words(TYPES, SHOP.terms)
    assert not encoder.passes_messages
    assert encoder.pass_messages(SHOP.edges, SHOP.node_count, h) is None
    np.testing.assert_array_equal(encoder.finish(h), encode_graph(encoder, SHOP))


def test_the_steps_make_the_whole(layered: Encoder) -> None:
    h = layered.embed_words(TYPES, SHOP.terms)
    passed = layered.pass_messages(SHOP.edges, SHOP.node_count, h)
    assert layered.passes_messages
    assert passed is not None
    np.testing.assert_array_equal(layered.finish(passed), encode_graph(layered, SHOP))


def test_half_precision_on_disk_is_as_in_memory(layered: Encoder, tmp_path: Path) -> None:
    h = layered.embed_words(TYPES, SHOP.terms)
    mapped = write_half(tmp_path / "h.npy", h)
    rounded = h.astype(np.float16)

    passed = layered.pass_messages(SHOP.edges, SHOP.node_count, mapped)
    again = layered.pass_messages(SHOP.edges, SHOP.node_count, rounded)
    assert passed is not None
    assert again is not None
    assert passed.dtype == np.float32
    np.testing.assert_array_equal(passed, again)
    exact = encode_graph(layered, SHOP)
    assert ((layered.finish(passed) * exact).sum(axis=1) > 0.99999).all()


def test_half_precision_hardly_turns_a_vector(encoder: Encoder) -> None:
    h = encoder.embed_words(TYPES, SHOP.terms)
    rounded = encoder.finish(h.astype(np.float16))
    assert ((rounded * encoder.finish(h)).sum(axis=1) > 0.999999).all()


def test_unit_rows_are_written_where_they_are_wanted(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "CHUNK_NODES", 3)
    h = write_half(tmp_path / "h.npy", encoder.embed_words(TYPES, SHOP.terms))
    out = np.lib.format.open_memmap(tmp_path / "unit.npy", "w+", np.float32, h.shape)

    assert encoder.finish(h, out=out) is out
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(out, encoder.finish(np.asarray(h)))


def test_vectors_of_other_nodes_are_refused(encoder: Encoder) -> None:
    h = np.zeros((3, ENCODER_DIM), np.float32)
    with pytest.raises(ValueError, match="3 vectors for 7 nodes"):
        encoder.pass_messages(SHOP.edges, SHOP.node_count, h)


def test_a_lost_edge_moves_its_ends_a_little(layered: Encoder) -> None:
    calls = SHOP.edges[Relation.CALLS]
    edges = {**SHOP.edges, Relation.CALLS: calls[:, 1:]}
    before = encode_graph(layered, SHOP)
    after = encode_graph(layered, CodeGraph(SHOP.nodes, edges, SHOP.terms))

    moved = (before * after).sum(axis=1)
    assert ((moved[calls[:, 0]] > 0.9) & (moved[calls[:, 0]] < 0.999)).all()


def test_layers_come_from_their_seed() -> None:
    first, same, other = (encode_graph(make_layered_encoder(seed), SHOP) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


def test_sparse_vectors_of_a_batch_are_those_of_the_graph() -> None:
    every = make_sparse_vectors(SHOP)
    part = make_sparse_vectors_of(TYPES[2:5], take_terms(SHOP, 2, 5))
    assert part[:] == every[2:5]
