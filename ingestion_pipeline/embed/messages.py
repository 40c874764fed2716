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
