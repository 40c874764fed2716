"""The layers over a whole graph, a chunk of receiving nodes at a time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.embed import network
from ingestion_pipeline.embed.adjacency import Adjacency
from ingestion_pipeline.embed.numpy_backend import NumpyBackend
from ingestion_pipeline.embed.torch_runtime import load_spmm

if TYPE_CHECKING:
    from torch import Tensor

    from ingestion_pipeline.embed.torch_backend import TorchBackend

Vectors = npt.NDArray[np.float32]
Edges = Mapping[Relation, npt.NDArray[np.int64]]
# Nodes at a time: 8 MB a tensor of (B, D).
CHUNK_NODES = 8192


def pass_plain_messages(
    parameters: network.Parameters,
    edges: Edges,
    h: npt.NDArray[np.floating],
    backend: NumpyBackend,
) -> Vectors:
    """Run the layers in numpy.

    Args:
        parameters: With at least one layer.
        edges: Per relation (2, E).
        h: (N, D) float16 or float32.
        backend: Numpy's.

    Returns:
        (N, D) float32.
    """
    adjacency = Adjacency(edges, len(h))
    before = np.asarray(h, np.float32)
    for layer in network.list_layers(parameters):
        messages = network.make_messages(parameters, layer, before)
        after = np.empty_like(before)
        for start in range(0, len(h), CHUNK_NODES):
            span = slice(start, min(start + CHUNK_NODES, len(h)))
            means = adjacency.average(messages, span)
            after[span] = network.run_layer(
                parameters, layer, before[span], messages[span], means, backend
            )
        before = after
    return before


def pass_messages_to(
    parameters: network.Parameters,
    adjacency: Adjacency,
    h: npt.NDArray[np.floating],
    wanted: npt.NDArray[np.int64],
    backend: NumpyBackend,
    most_nodes: int,
) -> Vectors | None:
    """Run the layers in numpy for some nodes alone, and for what they hear on the way.

    Args:
        parameters: With at least one layer.
        adjacency: Of the N nodes.
        h: (N, D) float16 or float32; a memory map will do.
        wanted: (W,) nodes, sorted.
        backend: Numpy's.
        most_nodes: Nodes that may be computed in any layer.

    Returns:
        (W, D) float32, what ``pass_plain_messages`` returns of them; None where more nodes than
        that would have to be computed.
    """
    layers = network.list_layers(parameters)
    reached = [wanted]
    for _ in layers:
        if len(reached[-1]) > most_nodes:
            return None
        reached.append(adjacency.widen(reached[-1]))
    nodes = reached.pop()
    messages = _make_first_messages(parameters, layers[0], h, nodes)
    before = np.asarray(h[reached[-1]], np.float32)
    for number, layer in enumerate(layers):
        wanted = reached.pop()
        if number:
            messages = network.make_messages(parameters, layer, before)
            before = before[np.searchsorted(nodes, wanted)]
        own = messages[np.searchsorted(nodes, wanted)]
        after = np.empty_like(before)
        for start in range(0, len(wanted), CHUNK_NODES):
            span = slice(start, start + CHUNK_NODES)
            means = adjacency.average_among(messages, nodes, wanted[span])
            after[span] = network.run_layer(
                parameters, layer, before[span], own[span], means, backend
            )
        before, nodes = after, wanted
    return before


def _make_first_messages(
    parameters: network.Parameters,
    layer: str,
    h: npt.NDArray[np.floating],
    nodes: npt.NDArray[np.int64],
) -> Vectors:
    """Return (S, M), what the nodes say in the first layer, a chunk of them in memory at a time."""
    parts = [
        network.make_messages(
            parameters, layer, np.asarray(h[nodes[start : start + CHUNK_NODES]], np.float32)
        )
        for start in range(0, len(nodes), CHUNK_NODES)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, network.MESSAGE_DIM), np.float32)


def pass_torch_messages(
    parameters: network.Parameters,
    edges: Edges,
    h: npt.NDArray[np.floating],
    backend: "TorchBackend",
    parts: int = 1,
) -> Vectors:
    """Run the layers in torch, means by PyG; see ``pass_plain_messages``.

    With more ``parts``, fewer nodes at a time.
    """
    import torch

    adjacency = Adjacency(edges, len(h))
    spmm = load_spmm()
    with torch.inference_mode():
        before = torch.tensor(np.asarray(h), dtype=torch.float32, device=backend.device)
        for layer in network.list_layers(parameters):
            messages = network.make_messages(parameters, layer, before)
            after = torch.empty_like(before)
            for chunk in adjacency.cut(max(1, CHUNK_NODES // parts), backend.device):
                means: dict[str, Tensor] = {
                    kind: spmm(neighbours, messages, "mean")
                    for kind, neighbours in chunk.adjacency.items()
                }
                span = slice(chunk.start, chunk.stop)
                after[span] = network.run_layer(
                    parameters, layer, before[span], messages[span], means, backend
                )
            before = after
    return before.cpu().numpy()
