"""Neighbours per relation and direction of some of the nodes, cut into chunks of them."""

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

Nodes = npt.NDArray[np.int64]
# Senders that are added up in turns with those of other receivers.
_MOST_TURNS = 64


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """CSR: receiver i hears ``senders[offsets[i]:offsets[i + 1]]``."""

    offsets: Nodes
    senders: Nodes


def list_directions(
    edges: Mapping[Relation, Nodes],
) -> Iterator[tuple[str, Nodes, Nodes]]:
    """Yield kind of edge, receivers and senders, in the order of the kinds.

    "forward" edges carry the target's vector to the source (a caller learns of what it calls),
    "backward" ones the source's to the target.
    """
    for relation in Relation:
        source, target = edges[relation]
        yield f"{relation}_forward", source, target
        yield f"{relation}_backward", target, source


class Adjacency:
    """Neighbours of some nodes by kind of edge.

    Args:
        edges: Per relation (2, E).
        receivers: (R,) sorted, the nodes that hear.
        node_count: N, of all nodes.
    """

    def __init__(self, edges: Mapping[Relation, Nodes], receivers: Nodes, node_count: int) -> None:
        self._receivers = receivers
        self._node_count = node_count
        place = np.full(node_count, -1, np.int64)
        place[receivers] = np.arange(len(receivers))
        self._kinds = {
            kind: _sort_neighbours(place[hearing], senders, len(receivers), node_count)
            for kind, hearing, senders in list_directions(edges)
        }

    def mark_speakers(self) -> npt.NDArray[np.bool_]:
        """Return (N,) bool, which nodes' messages are needed: the receivers' own, too."""
        speaks = np.zeros(self._node_count, bool)
        speaks[self._receivers] = True
        for neighbours in self._kinds.values():
            speaks[neighbours.senders] = True
        return speaks

    def average(
        self, messages: npt.NDArray[np.float32], span: slice
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return kind of edge → (B, M) mean of the neighbours' messages, zero without neighbours.

        Args:
            messages: (N, M), what every node says.
            span: Which receivers, by their place; kinds without any edge here are left out.
        """
        means: dict[str, npt.NDArray[np.float32]] = {}
        for kind, neighbours in self._kinds.items():
            offsets = neighbours.offsets[span.start : span.stop + 1]
            senders = neighbours.senders[offsets[0] : offsets[-1]]
            if not len(senders):
                continue
            counts = np.diff(offsets)
            mean = _add_up(messages, senders, offsets[:-1] - offsets[0], counts)
            mean /= np.maximum(counts, 1)[:, None].astype(np.float32)
            means[kind] = mean
        return means

    def make_tensors(self, span: slice, device: "torch.device") -> "dict[str, Tensor]":
        """Return kind of edge → (B, N) sparse CSR tensor of ones, row i of receiver ``start + i``.

        Args:
            span: Which receivers, by their place; kinds without any edge here are left out.
            device: Where to put them.
        """
        return {
            kind: self._to_tensor(neighbours, span, device)
            for kind, neighbours in self._kinds.items()
            if neighbours.offsets[span.stop] > neighbours.offsets[span.start]
        }

    def _to_tensor(self, neighbours: _Neighbours, span: slice, device: "torch.device") -> "Tensor":
        import torch

        offsets = neighbours.offsets[span.start : span.stop + 1]
        senders = neighbours.senders[offsets[0] : offsets[-1]]
        with quiet_torch():
            return torch.sparse_csr_tensor(
                torch.from_numpy(offsets - offsets[0]).to(device),
                torch.from_numpy(senders).to(device),
                torch.ones(len(senders), device=device),
                size=(span.stop - span.start, self._node_count),
                check_invariants=False,
            )


def _sort_neighbours(places: Nodes, senders: Nodes, count: int, node_count: int) -> _Neighbours:
    """Return the neighbours of each place; -1 stands for a node that is not asked about."""
    kept = places >= 0
    places, senders = places[kept], senders[kept]
    order = np.argsort(places * node_count + senders)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(places, minlength=count), out=offsets[1:])
    return _Neighbours(offsets, senders[order])


def _add_up(
    messages: npt.NDArray[np.float32], senders: Nodes, starts: Nodes, counts: Nodes
) -> npt.NDArray[np.float32]:
    """Return (B, M), the sum of what each receiver's ``counts`` senders from ``starts`` on say.

    The first sender of all receivers, then the second, and so on: a quarter of the time of
    ``np.add.reduceat`` over rows. Those with many senders one by one, all of theirs at once.
    """
    summed = np.zeros((len(counts), messages.shape[1]), np.float32)
    for hub in np.flatnonzero(counts > _MOST_TURNS):
        heard = senders[starts[hub] : starts[hub] + counts[hub]]
        summed[hub] = messages[heard].sum(axis=0)
    others = np.flatnonzero((counts > 0) & (counts <= _MOST_TURNS))
    others = others[np.argsort(-counts[others], kind="stable")]
    longest_first, starts = counts[others], starts[others]
    total = np.zeros((len(others), messages.shape[1]), np.float32)
    for turn in range(longest_first.max(initial=0)):
        count = np.searchsorted(-longest_first, -turn)
        total[:count] += messages[senders[starts[:count] + turn]]
    summed[others] = total
    return summed
