"""Neighbours per relation and direction, cut into chunks of receiving nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.core.ranges import expand_ranges
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
class Neighbours:
    """CSR over all nodes: node i receives from ``senders[offsets[i]:offsets[i + 1]]``."""

    offsets: npt.NDArray[np.int64]
    senders: npt.NDArray[np.int64]


def _sort_neighbours(
    receivers: npt.NDArray[np.int64], senders: npt.NDArray[np.int64], count: int
) -> Neighbours:
    # One number a pair: sorted at a tenth of what sorting by two columns takes.
    pairs = np.sort(receivers * count + senders)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(receivers, minlength=count), out=offsets[1:])
    return Neighbours(offsets, pairs % max(count, 1))


def _average(
    said: npt.NDArray[np.float32], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return (B, M) means of runs of rows, ``counts[i]`` of them; zero for none."""
    heard = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[heard]
    mean = np.zeros((len(counts), said.shape[1]), np.float32)
    mean[heard] = np.add.reduceat(said, starts, axis=0)
    mean[heard] /= counts[heard, None].astype(np.float32)
    return mean


class Adjacency:
    """Neighbours of every node by kind of edge.

    "forward" edges carry the target's vector to the source (a caller learns of what it calls),
    "backward" ones the source's to the target.
    """

    def __init__(self, edges: Mapping[Relation, npt.NDArray[np.int64]], node_count: int) -> None:
        self._count = node_count
        self._kinds: dict[str, Neighbours] = {}
        for relation in Relation:
            source, target = edges[relation]
            for kind, receivers, senders in (
                (f"{relation}_forward", source, target),
                (f"{relation}_backward", target, source),
            ):
                self._kinds[kind] = _sort_neighbours(receivers, senders, self._count)

    @property
    def kinds(self) -> "Mapping[str, Neighbours]":
        """Kind of edge → neighbours of all nodes."""
        return self._kinds

    def widen(self, nodes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return these nodes, sorted, and whatever any of them hears."""
        reached = np.zeros(self._count, bool)
        reached[nodes] = True
        for neighbours in self._kinds.values():
            starts = neighbours.offsets[nodes]
            lengths = neighbours.offsets[nodes + 1] - starts
            reached[neighbours.senders[expand_ranges(starts, lengths)]] = True
        return np.flatnonzero(reached)

    def average_among(
        self,
        messages: npt.NDArray[np.float32],
        speakers: npt.NDArray[np.int64],
        nodes: npt.NDArray[np.int64],
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return kind of edge → (B, M) mean of the neighbours' messages, as ``average``.

        Args:
            messages: (S, M), what the speakers say.
            speakers: (S,) nodes, sorted; whatever the receivers hear is among them.
            nodes: (B,) which nodes receive.
        """
        means: dict[str, npt.NDArray[np.float32]] = {}
        for kind, neighbours in self._kinds.items():
            starts = neighbours.offsets[nodes]
            counts = neighbours.offsets[nodes + 1] - starts
            senders = neighbours.senders[expand_ranges(starts, counts)]
            if len(senders):
                said = messages[np.searchsorted(speakers, senders)]
                means[kind] = _average(said, counts)
        return means

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
            means[kind] = _average(messages[senders], np.diff(offsets))
        return means

    def _to_tensor(
        self, neighbours: Neighbours, start: int, stop: int, device: "torch.device"
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
