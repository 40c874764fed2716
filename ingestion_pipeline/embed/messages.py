"""What some nodes of a graph hear in a layer, a chunk of them at a time."""

from collections.abc import Iterator, Mapping, Sequence
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
Floats = npt.NDArray[np.floating]
Nodes = npt.NDArray[np.int64]
Edges = Mapping[Relation, Nodes]
# Nodes at a time: 8 MB a tensor of (B, D).
CHUNK_NODES = 8192


def hear_plain(
    parameters: network.Parameters,
    edges: Edges,
    wanted: Nodes,
    h: Floats,
    heard: Sequence[Floats],
    backend: NumpyBackend,
) -> Vectors:
    """Return what nodes hear in the layer after those that were heard already, in numpy.

    Args:
        parameters: The network's.
        edges: Per relation (2, E).
        wanted: (W,) sorted, which nodes.
        h: (N, D) float16 or float32, before any layer.
        heard: Per earlier layer (N, D / 4), of all nodes.
        backend: Numpy's.

    Returns:
        (W, D / 4) float32.
    """
    layer = network.list_layers(parameters)[len(heard)]
    adjacency = Adjacency(edges, wanted, len(h))
    messages = np.empty((len(h), network.MESSAGE_DIM), np.float32)
    for rows in _cut(np.flatnonzero(adjacency.mark_speakers()), CHUNK_NODES):
        before = np.asarray(h[rows], np.float32)
        parts = [np.asarray(part[rows], np.float32) for part in heard]
        messages[rows] = _speak(parameters, layer, before, parts)
    values = np.empty((len(wanted), network.MESSAGE_DIM), np.float32)
    for span in _list_spans(len(wanted), CHUNK_NODES):
        means = adjacency.average(messages, span)
        values[span] = network.hear(parameters, layer, messages[wanted[span]], means, backend)
    return values


def hear_torch(
    parameters: network.Parameters,
    edges: Edges,
    wanted: Nodes,
    h: Floats,
    heard: Sequence[Floats],
    backend: "TorchBackend",
    parts: int = 1,
) -> Vectors:
    """Do the same in torch, means by PyG; with more ``parts``, fewer nodes at a time."""
    import torch

    layer = network.list_layers(parameters)[len(heard)]
    adjacency = Adjacency(edges, wanted, len(h))
    spmm, size = load_spmm(), max(1, CHUNK_NODES // parts)

    def move(rows: Floats) -> "Tensor":
        return torch.from_numpy(np.asarray(rows, np.float32)).to(backend.device)

    with torch.inference_mode():
        messages = torch.zeros((len(h), network.MESSAGE_DIM), device=backend.device)
        for rows in _cut(np.flatnonzero(adjacency.mark_speakers()), size):
            said = _speak(parameters, layer, move(h[rows]), [move(part[rows]) for part in heard])
            messages[torch.from_numpy(rows).to(backend.device)] = said
        values = np.empty((len(wanted), network.MESSAGE_DIM), np.float32)
        for span in _list_spans(len(wanted), size):
            means = {
                kind: spmm(neighbours, messages, "mean")
                for kind, neighbours in adjacency.make_tensors(span, backend.device).items()
            }
            own = messages[torch.from_numpy(wanted[span]).to(backend.device)]
            values[span] = network.hear(parameters, layer, own, means, backend).cpu().numpy()
    return values


def _speak(
    parameters: network.Parameters,
    layer: str,
    before: network.Array,
    heard: Sequence[network.Array],
) -> network.Array:
    """Return the messages of some nodes, of what they were and what they heard in layers before."""
    for earlier, part in zip(network.list_layers(parameters), heard, strict=False):
        before = network.add_heard(parameters, earlier, before, part)
    return network.make_messages(parameters, layer, before)


def _list_spans(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _cut(nodes: Nodes, size: int) -> Iterator[Nodes]:
    for span in _list_spans(len(nodes), size):
        yield nodes[span]
