"""The untrained encoder: unit, finite, deterministic, and each node by its own words alone."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.graph import NodeType, TermField
from ingestion_pipeline.embed import (
    ENCODER_DIM,
    ENCODER_VERSION,
    Encoder,
    encode_graph,
    load_encoder,
)
from ingestion_pipeline.embed import (
    encoder as encoder_module,
)
from ingestion_pipeline_tests.embed.graphs import (
    BODY,
    DOC,
    NAME,
    SHOP,
    make_graph,
    permute_graph,
)

# The vectors that "hashbag-1" has stood for since its first day. When these must change, the
# version must.
GOLDEN_TEXT = [
    -0.0261502, -0.0261502, -0.0160094, 0.1001130, -0.0160094, 0.1001130, -0.0160094, 0.0579534,
]  # fmt: skip
GOLDEN_NODE = [
    0.0251421, -0.0616032, 0.0633757, -0.0324895, -0.0660731, 0.0142802, -0.0746876, 0.0391715,
]  # fmt: skip

FRESH_PROCESS = """
import hashlib
from ingestion_pipeline.embed import encode_graph, load_encoder
from ingestion_pipeline_tests.embed.graphs import SHOP
encoder = load_encoder("cpu", "hashbag-1")
vectors = encode_graph(encoder, SHOP).tobytes() + encoder.encode_text("send a letter").tobytes()
print(hashlib.sha256(vectors).hexdigest())
"""


def test_version_and_golden_vectors(encoder: Encoder) -> None:
    assert (encoder.version, ENCODER_VERSION) == ("hashbag-1", "codegraph-1")
    assert encoder.dim == ENCODER_DIM == 256
    text = encoder.encode_text("parse http response")
    np.testing.assert_allclose(text[:8], GOLDEN_TEXT, atol=1e-5)
    np.testing.assert_allclose(encode_graph(encoder, SHOP)[4, :8], GOLDEN_NODE, atol=1e-5)


def test_rows_are_unit_float32(encoder: Encoder) -> None:
    vectors = encode_graph(encoder, SHOP)
    assert vectors.shape == (SHOP.node_count, 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_an_empty_graph_gives_no_rows(encoder: Encoder) -> None:
    assert encode_graph(encoder, make_graph([])).shape == (0, 256)


def test_a_node_without_words_is_unit_and_like_no_query(encoder: Encoder) -> None:
    vectors = encode_graph(encoder, SHOP)
    wordless = encode_graph(encoder, make_graph([(NodeType.FILE, {}), (NodeType.CLASS, {})]))

    np.testing.assert_array_equal(wordless[0], vectors[5])
    np.testing.assert_array_equal(wordless[1], vectors[5])
    assert abs(float(vectors[5] @ encoder.encode_text("send a letter"))) < 0.3


def test_the_same_bytes_again_and_in_a_fresh_process(encoder: Encoder) -> None:
    again = load_encoder("cpu", "hashbag-1")
    here = encode_graph(encoder, SHOP).tobytes()
    assert encode_graph(again, SHOP).tobytes() == here

    result = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=True
    )
    text = encoder.encode_text("send a letter").tobytes()
    assert result.stdout.strip() == hashlib.sha256(here + text).hexdigest()


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(SHOP.node_count)))
def test_the_order_of_nodes_only_orders_rows(encoder: Encoder, order: list[int]) -> None:
    vectors = encode_graph(encoder, SHOP)
    permuted = encode_graph(encoder, permute_graph(SHOP, order))
    np.testing.assert_array_equal(permuted, vectors[order])


def test_chunks_do_not_show(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode_graph(encoder, SHOP)
    monkeypatch.setattr(encoder_module, "CHUNK_NODES", 2)
    np.testing.assert_array_equal(encode_graph(encoder, SHOP), whole)


def test_one_changed_text_moves_one_vector(encoder: Encoder) -> None:
    texts = [{NAME: "open file"}, {NAME: "close file", BODY: "flush buffer"}, {DOC: "a letter"}]
    before = encode_graph(encoder, make_graph([(NodeType.FUNCTION, t) for t in texts]))
    texts[1] = {NAME: "close file", BODY: "flush buffer lock"}
    after = encode_graph(encoder, make_graph([(NodeType.FUNCTION, t) for t in texts]))

    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert float(after[1] @ before[1]) < 0.999


@pytest.mark.parametrize(
    ("query", "node"),
    [
        ("connect to the smtp socket", 4),
        ("totals of prices with tax rates", 3),
        ("deliver letters", 4),
        ("class of carts with items", 2),
    ],
)
def test_words_find_the_obvious_node(encoder: Encoder, query: str, node: int) -> None:
    symbols = [2, 3, 4, 5]
    scores = encode_graph(encoder, SHOP)[symbols] @ encoder.encode_text(query)
    assert symbols[int(scores.argmax())] == node


def test_fields_can_be_left_out(encoder: Encoder) -> None:
    graph = make_graph([(NodeType.FUNCTION, {NAME: "send", DOC: "deliver a letter"})])
    bare = make_graph([(NodeType.FUNCTION, {NAME: "send"})])
    without_doc = [field for field in TermField if field is not TermField.DOC]
    np.testing.assert_array_equal(
        encode_graph(encoder, graph, without_doc), encode_graph(encoder, bare)
    )


def test_many_texts_are_each_as_alone(encoder: Encoder) -> None:
    texts = ["send a letter", "total price", "parse http response"]
    together = encoder.encode_texts(texts)
    for row, text in zip(together, texts, strict=True):
        np.testing.assert_array_equal(row, encoder.encode_text(text))


@pytest.mark.parametrize("text", ["", "   ", "the of", "return if else", "12 3.5", "x y"])
def test_a_text_without_words_is_refused(encoder: Encoder, text: str) -> None:
    with pytest.raises(ValueError, match="holds no word to search for"):
        encoder.encode_text(text)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give auto, cpu, cuda or cuda:N"):
        load_encoder("tpu")


def test_importing_the_room_imports_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, ingestion_pipeline.embed, ingestion_pipeline.embed.network;"
        "print([m for m in ('torch', 'torch_geometric', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
