"""The architecture with weights that do something, against plain numpy; and on CUDA."""

import numpy as np
import numpy.typing as npt
import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.graph import CodeGraph, Relation
from ingestion_pipeline.embed import Encoder, encode_graph, load_encoder
from ingestion_pipeline.embed import encoder as encoder_module
from ingestion_pipeline.embed import messages as messages_module
from ingestion_pipeline.embed.version import RELATED_DIM
from ingestion_pipeline.embed.weights import EncoderWeights
from ingestion_pipeline_tests.embed.graphs import SHOP, permute_graph
from ingestion_pipeline_tests.embed.trained import make_trained_weights

Array = npt.NDArray[np.float64]
WEIGHTS = make_trained_weights()
TYPES = SHOP.nodes["type"].to_numpy()


def has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture
def cuda() -> str:
    if not has_cuda():
        pytest.skip("no CUDA GPU here")
    return "cuda"


@pytest.fixture
def torch_only(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """The trained weights, by torch from the first term on."""
    monkeypatch.setattr(encoder_module, "PLAIN_TERMS", 0)
    return Encoder(WEIGHTS, "cpu")


def read(weights: EncoderWeights, name: str) -> Array:
    return np.asarray(weights.parameters[name], np.float64)


def apply_linear(name: str, x: Array) -> Array:
    return x @ read(WEIGHTS, f"{name}.weight").T + read(WEIGHTS, f"{name}.bias")


def apply_norm(name: str, x: Array) -> Array:
    scaled = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    return scaled * read(WEIGHTS, f"{name}.weight") + read(WEIGHTS, f"{name}.bias")


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def apply_mlp(name: str, x: Array) -> Array:
    wide = apply_linear(f"{name}.in", apply_norm(f"{name}.norm", x))
    return x + apply_linear(f"{name}.out", gelu(wide))


def make_means(graph: CodeGraph, relation: Relation, *, forward: bool) -> Array:
    """Return the (N, N) matrix that takes the mean over neighbours."""
    matrix = np.zeros((graph.node_count, graph.node_count))
    for source, target in graph.edges[relation].T.tolist():
        receiver, sender = (source, target) if forward else (target, source)
        matrix[receiver, sender] = 1
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


def pass_plainly(graph: CodeGraph, words: Array) -> Array:
    """Compute the formula of ``network`` from the nodes' word vectors on."""
    h = words
    for layer in ("layer0", "layer1"):
        messages = h @ read(WEIGHTS, f"{layer}.message").T
        z = apply_linear(f"{layer}.own", messages)
        for relation in Relation:
            for direction in ("forward", "backward"):
                means = make_means(graph, relation, forward=direction == "forward")
                z += means @ messages @ read(WEIGHTS, f"{layer}.{relation}_{direction}").T
        h = h + apply_linear(f"{layer}.out", gelu(apply_norm(f"{layer}.norm", z)))
    return h


def make_unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def read_words(graph: CodeGraph) -> Array:
    """Compute x + MLP(x) node by node from the table."""
    table = WEIGHTS.table.make_rows(np.arange(65537)).astype(np.float64)
    rows = []
    for node, node_type in enumerate(graph.nodes["type"]):
        x = read(WEIGHTS, "types")[node_type]
        wordless = True
        for field, matrix in graph.terms.items():
            span = slice(matrix.offsets[node], matrix.offsets[node + 1])
            ids = matrix.term_ids[span] % 65536
            weights = (1 + np.log(matrix.counts[span])) * WEIGHTS.idf[ids]
            bag = weights @ table[ids] / (np.linalg.norm(weights) or 1)
            projected = bag @ read(WEIGHTS, f"projection.{field}").T
            x = x + float(read(WEIGHTS, f"field_weight.{field}")) * projected
            wordless &= not len(ids)
        rows.append(x + wordless * table[65536])
    return apply_mlp("node_mlp", np.array(rows))


EXPECTED = pass_plainly(SHOP, read_words(SHOP))


def test_numpy_computes_the_formula() -> None:
    vectors = encode_graph(Encoder(WEIGHTS, "cpu"), SHOP)
    np.testing.assert_allclose(vectors, make_unit(EXPECTED), atol=1e-5)


def test_torch_computes_the_formula(torch_only: Encoder) -> None:
    np.testing.assert_allclose(encode_graph(torch_only, SHOP), make_unit(EXPECTED), atol=1e-5)


def test_both_read_texts_alike(torch_only: Encoder) -> None:
    texts = ["send a letter", "connect to the smtp socket of the recipient"]
    table = WEIGHTS.table.make_rows(np.arange(65537)).astype(np.float64)
    plain = Encoder(WEIGHTS, "cpu").encode_texts(texts)
    np.testing.assert_allclose(torch_only.encode_texts(texts), plain, atol=1e-5)
    [row] = Encoder(WEIGHTS, "cpu").encode_texts(["letter"])
    from ingestion_pipeline.core.terms import hash_term, split_text

    [term] = split_text("letter")
    y = table[hash_term(term) % 65536][None] @ read(WEIGHTS, "text_projection").T
    np.testing.assert_allclose(row, make_unit(apply_mlp("text_mlp", y))[0], atol=1e-5)


def test_related_is_a_projection_of_its_own() -> None:
    encoder = Encoder(WEIGHTS, "cpu")
    h = encoder.pass_messages(SHOP.edges, SHOP.node_count, encoder.embed_words(TYPES, SHOP.terms))
    assert h is not None
    related = encoder.relate(h)
    assert related.shape == (SHOP.node_count, RELATED_DIM)
    expected = make_unit(EXPECTED @ read(WEIGHTS, "related").T)
    np.testing.assert_allclose(related, expected, atol=1e-5)
    # It needs no more than the vector ``text``, which is what the store holds.
    np.testing.assert_allclose(encoder.relate(encoder.finish(h)), related, atol=1e-5)


def test_without_training_related_is_text(encoder: Encoder) -> None:
    text = encode_graph(encoder, SHOP)
    np.testing.assert_allclose(encoder.relate(text), text, atol=1e-6)


def test_trained_layers_hear_their_neighbours() -> None:
    encoder = Encoder(WEIGHTS, "cpu")
    cut = CodeGraph(SHOP.nodes, {r: e[:, :0] for r, e in SHOP.edges.items()}, SHOP.terms)
    moved = np.abs(encode_graph(encoder, SHOP) - encode_graph(encoder, cut)).max(axis=1)
    assert (moved > 1e-3).all()


@pytest.mark.parametrize("plain_terms", [0, 1_000_000])
def test_order_and_chunks_do_not_show_after_training(
    monkeypatch: pytest.MonkeyPatch, plain_terms: int
) -> None:
    monkeypatch.setattr(encoder_module, "PLAIN_TERMS", plain_terms)
    encoder = Encoder(WEIGHTS, "cpu")
    whole = encode_graph(encoder, SHOP)
    order = [6, 2, 0, 5, 1, 4, 3]
    permuted = encode_graph(encoder, permute_graph(SHOP, order))
    monkeypatch.setattr(encoder_module, "CHUNK_NODES", 2)
    monkeypatch.setattr(messages_module, "CHUNK_NODES", 2)
    chunked = encode_graph(encoder, SHOP)

    np.testing.assert_allclose(permuted, whole[order], atol=1e-5)
    np.testing.assert_allclose(chunked, whole, atol=1e-5)


def test_messages_of_a_large_graph_are_passed_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encode_graph(Encoder(WEIGHTS, "cpu"), SHOP)
    monkeypatch.setattr(encoder_module, "PLAIN_NODES", SHOP.node_count - 1)
    encoder = Encoder(WEIGHTS, "cpu")
    np.testing.assert_allclose(encode_graph(encoder, SHOP), plain, atol=1e-5)
    assert "_torch" in vars(encoder)


def test_cuda_agrees_with_the_cpu(cuda: str) -> None:
    here, there = (Encoder(WEIGHTS, device) for device in ("cpu", cuda))
    assert there.device == "cuda"
    np.testing.assert_allclose(encode_graph(there, SHOP), encode_graph(here, SHOP), atol=1e-5)
    np.testing.assert_allclose(
        there.encode_text("send a letter"), here.encode_text("send a letter"), atol=1e-5
    )


def test_auto_takes_cuda(cuda: str) -> None:
    assert load_encoder("auto").device == cuda


def test_without_cuda_auto_is_the_cpu_and_cuda_an_error() -> None:
    if has_cuda():
        pytest.skip("a CUDA GPU is here")
    assert load_encoder("auto").device == "cpu"
    with pytest.raises(ConfigurationError, match="sees no CUDA GPU here"):
        load_encoder("cuda")
