"""Neighbours per relation and direction, cut into chunks of receiving nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.embed.torch_runtime import quiet_torch

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class NeighbourChunk:
    """The neighbours of nodes ``start`` to ``stop``.

    Args:
        start: First node.
        stop: Node after the last.
        adjacency: Kind of edge → (B, N) sparse CSR tensor of ones, row i the neighbours of node
            ``start + i``; kinds without any edge here are left out.
    """

    start: int
    stop: int
    adjacency: "dict[str, Tensor]"


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """CSR over all nodes: node i receives from ``senders[offsets[i]:offsets[i + 1]]``."""

    offsets: npt.NDArray[np.int64]
    senders: npt.NDArray[np.int64]


def _sort_neighbours(
    receivers: npt.NDArray[np.int64], senders: npt.NDArray[np.int64], count: int
) -> _Neighbours:
    order = np.lexsort((senders, receivers))
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(receivers, minlength=count), out=offsets[1:])
    return _Neighbours(offsets, senders[order])


class Adjacency:
    """Neighbours of every node by kind of edge.

    "forward" edges carry the target's vector to the source (a caller learns of what it calls),
    "backward" ones the source's to the target.
    """

    def __init__(self, edges: Mapping[Relation, npt.NDArray[np.int64]], node_count: int) -> None:
        self._count = node_count
        self._kinds: dict[str, _Neighbours] = {}
        for relation in Relation:
            source, target = edges[relation]
            for kind, receivers, senders in (
                (f"{relation}_forward", source, target),
                (f"{relation}_backward", target, source),
            ):
                self._kinds[kind] = _sort_neighbours(receivers, senders, self._count)

    def cut(self, size: int, device: "torch.device") -> Iterator[NeighbourChunk]:
        """Yield chunks of at most ``size`` nodes that cover all nodes in order."""
        for start in range(0, self._count, size):
            stop = min(start + size, self._count)
            adjacency = {
                kind: self._to_tensor(neighbours, start, stop, device)
                for kind, neighbours in self._kinds.items()
                if neighbours.offsets[stop] > neighbours.offsets[start]
            }
            yield NeighbourChunk(start, stop, adjacency)

    def average(
        self, messages: npt.NDArray[np.float32], span: slice
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return kind of edge → (B, M) mean of the neighbours' messages, zero without neighbours.

        Args:
            messages: (N, M), what every node says.
            span: Which nodes receive; kinds without any edge here are left out.
        """
        means: dict[str, npt.NDArray[np.float32]] = {}
        for kind, neighbours in self._kinds.items():
            offsets = neighbours.offsets[span.start : span.stop + 1]
            senders = neighbours.senders[offsets[0] : offsets[-1]]
            if not len(senders):
                continue
            counts = np.diff(offsets)
            heard = np.flatnonzero(counts)
            starts = offsets[:-1][heard] - offsets[0]
            mean = np.zeros((len(counts), messages.shape[1]), np.float32)
            mean[heard] = np.add.reduceat(messages[senders], starts, axis=0)
            mean[heard] /= counts[heard, None].astype(np.float32)
            means[kind] = mean
        return means

    def _to_tensor(
        self, neighbours: _Neighbours, start: int, stop: int, device: "torch.device"
    ) -> "Tensor":
        import torch

        offsets = neighbours.offsets[start : stop + 1]
        senders = neighbours.senders[offsets[0] : offsets[-1]]
        with quiet_torch():
            return torch.sparse_csr_tensor(
                torch.from_numpy(offsets - offsets[0]).to(device),
                torch.from_numpy(senders).to(device),
                torch.ones(len(senders), device=device),
                size=(stop - start, self._count),
                check_invariants=False,
            )
