"""The architecture with weights that do something, against plain numpy; and on CUDA."""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.graph import CodeGraph, Relation
from ingestion_pipeline.embed import Encoder, encode_graph, load_encoder
from ingestion_pipeline.embed import encoder as encoder_module
from ingestion_pipeline.embed.network import Network, Residual, make_network
from ingestion_pipeline_tests.embed.graphs import SHOP, permute_graph
from ingestion_pipeline_tests.embed.trained import make_trained_network

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = npt.NDArray[np.float64]


def has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture
def cuda() -> str:
    if not has_cuda():
        pytest.skip("no CUDA GPU here")
    return "cuda"


def to_array(tensor: "Tensor") -> Array:
    return tensor.detach().cpu().numpy().astype(np.float64)


def apply_linear(linear: "nn.Linear", x: Array) -> Array:
    y = x @ to_array(linear.weight).T
    return y if linear.bias is None else y + to_array(linear.bias)


def apply_norm(norm: "nn.Module", x: Array) -> Array:
    from torch import nn

    assert isinstance(norm, nn.LayerNorm)
    scaled = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + norm.eps)
    return scaled * to_array(norm.weight) + to_array(norm.bias)


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def apply_residual(block: Residual, x: Array) -> Array:
    from torch import nn

    norm, wide, _ = block.inner
    assert isinstance(wide, nn.Linear)
    return x + apply_linear(block.last, gelu(apply_linear(wide, apply_norm(norm, x))))


def make_means(graph: CodeGraph, relation: Relation, *, forward: bool) -> Array:
    """Return the (N, N) matrix that takes the mean over neighbours."""
    matrix = np.zeros((graph.node_count, graph.node_count))
    for source, target in graph.edges[relation].T.tolist():
        receiver, sender = (source, target) if forward else (target, source)
        matrix[receiver, sender] = 1
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


def encode_plainly(network: Network, graph: CodeGraph, words: Array) -> Array:
    """Compute the formula of ``network`` from the nodes' word vectors on."""
    h = words
    for layer in network.layers:
        z = apply_linear(layer.own, h)
        for relation in Relation:
            for direction in ("forward", "backward"):
                means = make_means(graph, relation, forward=direction == "forward")
                z += apply_linear(layer.relations[f"{relation}_{direction}"], means @ h)
        h = h + apply_linear(layer.output, gelu(apply_norm(layer.norm, z)))
    return h / np.linalg.norm(h, axis=1, keepdims=True)


def read_words(network: Network, graph: CodeGraph) -> Array:
    """Compute x + MLP(x) node by node from the table."""
    idf = encoder_module.load_idf()
    rows = []
    for node, node_type in enumerate(graph.nodes["type"]):
        x = to_array(network.types.weight)[node_type]
        wordless = True
        for field, matrix in graph.terms.items():
            span = slice(matrix.offsets[node], matrix.offsets[node + 1])
            ids = matrix.term_ids[span] % 65536
            weights = (1 + np.log(matrix.counts[span])) * idf[ids]
            bag = weights @ to_array(network.table.weight)[ids] / (np.linalg.norm(weights) or 1)
            projected = apply_linear(network.projections[field], bag[None])[0]
            x = x + float(network.field_weights[field]) * projected
            wordless &= not len(ids)
        rows.append(x + wordless * to_array(network.table.weight)[65536])
    return apply_residual(network.node_mlp, np.array(rows))


def test_the_network_computes_its_formula() -> None:
    network = make_trained_network()
    expected = encode_plainly(network, SHOP, read_words(network, SHOP))
    np.testing.assert_allclose(encode_graph(Encoder(network, "cpu"), SHOP), expected, atol=1e-5)


def test_trained_layers_hear_their_neighbours() -> None:
    encoder = Encoder(make_trained_network(), "cpu")
    cut = CodeGraph(SHOP.nodes, {r: e[:, :0] for r, e in SHOP.edges.items()}, SHOP.terms)
    moved = np.abs(encode_graph(encoder, SHOP) - encode_graph(encoder, cut)).max(axis=1)
    assert (moved > 1e-3).all()


def test_order_and_chunks_do_not_show_after_training(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(make_trained_network(), "cpu")
    whole = encode_graph(encoder, SHOP)
    order = [6, 2, 0, 5, 1, 4, 3]
    permuted = encode_graph(encoder, permute_graph(SHOP, order))
    monkeypatch.setattr(encoder_module, "CHUNK_NODES", 2)
    chunked = encode_graph(encoder, SHOP)

    np.testing.assert_allclose(permuted, whole[order], atol=1e-5)
    np.testing.assert_allclose(chunked, whole, atol=1e-5)


def test_skipping_what_does_nothing_changes_nothing(encoder: Encoder) -> None:
    network = make_network()
    # Not zero, yet too small for float32: every block and layer is computed and adds nothing.
    for linear in (network.node_mlp.last, *(layer.output for layer in network.layers)):
        linear.weight[0, 0] = 1e-38
    np.testing.assert_array_equal(
        encode_graph(Encoder(network, "cpu"), SHOP), encode_graph(encoder, SHOP)
    )


def test_weights_are_saved_and_loaded_by_name() -> None:
    trained = make_trained_network()
    other = make_network()
    missing, unexpected = other.as_module().load_state_dict(trained.as_module().state_dict())

    assert (missing, unexpected) == ([], [])
    np.testing.assert_array_equal(
        encode_graph(Encoder(other, "cpu"), SHOP), encode_graph(Encoder(trained, "cpu"), SHOP)
    )


def test_making_a_network_leaves_the_random_state_alone() -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    make_network()
    assert torch.equal(torch.rand(2), expected)


def test_cuda_agrees_with_the_cpu(cuda: str) -> None:
    here, there = (Encoder(make_trained_network(), device) for device in ("cpu", cuda))
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
