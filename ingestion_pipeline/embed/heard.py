"""What nodes heard before is heard again only where something that they hear has changed.

What a node hears in a layer is a function of its own vector and of its neighbours' before the
layer. A digest of all of these is kept with it, so what is known is reused by what it was computed
from, not by whose it was: it does not matter which graph it comes from, or what happened since.

A node that thousands call hears a little less of each: one caller more moves what it hears by less
than rounding does, yet all the others would have to hear it anew. So what comes out within ``STEP``
of what was known of the same words counts as that. It is always compared with what was computed,
so however often a graph changes, no value is further off than one step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.embed.digests import Digests, digest_neighbourhoods, digest_rows, mix

STEP = 2.0**-8
"""Largest difference of a component that counts as none, to the root mean square of all: the
rounding of bfloat16. What it turns a vector by is measured in ``docs/adr/0013``."""

Half = npt.NDArray[np.float16]
Nodes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Heard:
    """What every node of a graph heard.

    Args:
        own: (N,) digests of the nodes before any layer.
        inputs: (L, N) digests of what was heard in each layer, the node itself included.
        values: (L, N, D / 4) float16, what came of it.
    """

    own: Digests
    inputs: Digests
    values: Half

    def digest_nodes(self) -> Digests:
        """Return (N,) digests of the nodes after all layers: equal ones have equal vectors."""
        nodes = self.own
        for values in self.values:
            nodes = _digest_after(nodes, values)
        return nodes


Hear = Callable[[Nodes, Sequence[Half]], npt.NDArray[np.float32]]
"""From (W,) sorted nodes and per earlier layer (N, D / 4) to (W, D / 4) of the next layer."""


def hear_all(
    edges: Mapping[Relation, Nodes],
    h: Half,
    salts: Sequence[int],
    width: int,
    known: Heard | None,
    hear: Hear,
) -> Heard:
    """Return what all nodes hear in all layers.

    Args:
        edges: Per relation (2, E).
        h: (N, D) float16, the nodes before any layer.
        salts: Per layer a digest of the parameters that decide what is heard in it.
        width: D / 4.
        known: Of any graph and any encoder; None for nothing.
        hear: Computes what is not known.
    """
    own = digest_rows(h)
    if known is None or len(known.inputs) != len(salts):
        known = make_nothing(len(salts), width)
    inputs = np.empty((len(salts), len(h)), np.uint64)
    values = np.empty((len(salts), len(h), width), np.float16)
    nodes = own
    for layer, salt in enumerate(salts):
        inputs[layer] = digest_neighbourhoods(nodes, edges, salt)
        places, is_known = _find(known.inputs[layer], inputs[layer])
        values[layer, is_known] = known.values[layer, places[is_known]]
        missing = np.flatnonzero(~is_known)
        if len(missing):
            computed = hear(missing, list(values[:layer]))
            values[layer, missing] = _settle(computed, own[missing], known, layer)
        nodes = _digest_after(nodes, values[layer])
    return Heard(own, inputs, values)


def make_nothing(layers: int, width: int) -> Heard:
    """Return what is known of no node."""
    return Heard(
        np.zeros(0, np.uint64),
        np.zeros((layers, 0), np.uint64),
        np.zeros((layers, 0, width), np.float16),
    )


def _digest_after(nodes: Digests, values: Half) -> Digests:
    return mix(nodes ^ digest_rows(values))


def _settle(computed: npt.NDArray[np.float32], own: Digests, known: Heard, layer: int) -> Half:
    """Take what is known of the same words where it is the same but for ``STEP``."""
    settled = computed.astype(np.float16)
    places, is_found = _find(known.own, own)
    rows = np.flatnonzero(is_found)
    before, now = known.values[layer, places[rows]], computed[rows]
    largest = np.abs(before.astype(np.float32) - now).max(axis=1, initial=0)
    scale = np.sqrt(np.einsum("nm,nm->n", now, now) / now.shape[1])
    is_same = largest <= STEP * scale
    settled[rows[is_same]] = before[is_same]
    return settled


def _find(digests: Digests, wanted: Digests) -> tuple[Nodes, npt.NDArray[np.bool_]]:
    """Return where each wanted digest stands, and whether it does."""
    places = np.zeros(len(wanted), np.int64)
    if not len(digests):
        return places, np.zeros(len(wanted), bool)
    # Sorting what is wanted, too, makes the search walk memory in order: a twentieth of its time.
    order, asked = np.argsort(digests), np.argsort(wanted)
    found = np.searchsorted(digests[order], wanted[asked])
    places[asked] = order[np.minimum(found, len(digests) - 1)]
    return places, digests[places] == wanted
