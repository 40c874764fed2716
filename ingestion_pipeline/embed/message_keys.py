"""Keys that say what a node hears: two nodes of one key have one vector, and nothing is computed.

A node's key is made of its own words' vector and, layer by layer, of its neighbours' keys, each
kind of edge apart, as in Weisfeiler and Lehman's test of graphs. What a layer computes of a node is
a function of just that, so a node that keeps its key from one sync to the next keeps its vector.
A key has 128 bits.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.embed.adjacency import Adjacency

Keys = npt.NDArray[np.uint64]
"""(N, 2)."""

_CHUNK_ROWS = 8192
_SEED = 20_261_126
_STEP = 0x9E37_79B9_7F4A_7C15
_MASK = 2**64 - 1


def make_keys(h: npt.NDArray[np.float16], adjacency: Adjacency, layers: int) -> Keys:
    """Return the keys of all nodes after that many layers.

    Args:
        h: (N, D) vectors before any message, D a multiple of 4; a memory map will do.
        adjacency: Of the N nodes.
        layers: How many rounds of messages there are.
    """
    keys = _digest_rows(h)
    for layer in range(layers):
        said = _mix(keys + np.uint64(_STEP))
        heard = _mix(keys + np.uint64(layer))
        for number, (counts, sums) in enumerate(_sum_neighbours(said, adjacency)):
            weight = np.uint64((number + 1) * _STEP & _MASK)
            heard += _mix(sums * np.uint64(2 * number + 3) + counts[:, None] + weight)
        keys = _mix(heard)
    return keys


def _digest_rows(h: npt.NDArray[np.float16]) -> Keys:
    random = np.random.default_rng(_SEED)
    salts = random.integers(0, 2**64, (2, h.shape[1] // 4), np.uint64)
    keys = np.empty((len(h), 2), np.uint64)
    for start in range(0, len(h), _CHUNK_ROWS):
        words = np.ascontiguousarray(h[start : start + _CHUNK_ROWS], np.float16).view(np.uint64)
        for column, salt in enumerate(salts):
            keys[start : start + _CHUNK_ROWS, column] = _mix(words ^ salt).sum(axis=1)
    return _mix(keys)


def _sum_neighbours(
    said: Keys, adjacency: Adjacency
) -> Iterable[tuple[npt.NDArray[np.uint64], Keys]]:
    """Yield per kind of edge (N,) how many neighbours there are and (N, 2) what they say."""
    for neighbours in adjacency.kinds.values():
        counts = np.diff(neighbours.offsets)
        heard = np.flatnonzero(counts)
        sums = np.zeros_like(said)
        if len(heard):
            starts = neighbours.offsets[heard]
            sums[heard] = np.add.reduceat(said[neighbours.senders], starts, axis=0)
        yield counts.astype(np.uint64), sums


def _mix(x: Keys) -> Keys:
    """Return SplitMix64's finalizer (Steele, Lea and Flood 2014) of every number."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))
