"""64-bit digests of many rows at once: whether what decides a node's vector is what it was.

Not against people who look for collisions. Of a million nodes two differ and have one digest with a
probability of 1 in 40 million.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.embed.adjacency import list_directions

Digests = npt.NDArray[np.uint64]
_CHUNK_ROWS = 8192
_WORD = 4


def mix(x: Digests) -> Digests:
    """Return a scrambled copy: SplitMix64 (https://doi.org/10.1145/2714064.2660195)."""
    x = x + np.uint64(0x9E37_79B9_7F4A_7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


def digest_rows(rows: npt.NDArray[np.float16]) -> Digests:
    """Return (N,) digests of the bytes of (N, K) float16, K even."""
    words = rows.shape[1] * rows.itemsize // _WORD
    factors = mix(np.arange(words, dtype=np.uint64)) | np.uint64(1)
    digests = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _CHUNK_ROWS):
        part = np.ascontiguousarray(rows[start : start + _CHUNK_ROWS]).view(np.uint32)
        # 32 bits times 64: a change in the highest bits of a word does not fall out at the top.
        digests[start : start + len(part)] = np.einsum("nw,w->n", part.astype(np.uint64), factors)
    return mix(digests)


def digest_neighbourhoods(
    nodes: Digests, edges: Mapping[Relation, npt.NDArray[np.int64]], salt: int
) -> Digests:
    """Return (N,) digests of each node and of its neighbours by kind of edge, in any order.

    Args:
        nodes: (N,) digests of the nodes.
        edges: Per relation (2, E).
        salt: What else decides what is heard, 64 bits.
    """
    total = mix(nodes ^ np.uint64(salt))
    kinds = mix(np.arange(2 * len(Relation), dtype=np.uint64))
    for kind, (_, receivers, senders) in zip(kinds, list_directions(edges), strict=True):
        np.add.at(total, receivers, mix(nodes ^ kind)[senders])
    return mix(total)


def digest_groups(nodes: Digests, groups: npt.NDArray[np.int64], count: int) -> Digests:
    """Return (count,) digests of the nodes of each group, in their order.

    Args:
        nodes: (N,) digests of the nodes.
        groups: (N,) the group of each, -1 for none.
        count: Of groups.
    """
    inside = np.flatnonzero(groups >= 0)
    order = inside[np.argsort(groups[inside], kind="stable")]
    of = groups[order]
    place = np.arange(len(of)) - np.searchsorted(of, of, "left")
    total = np.zeros(count, np.uint64)
    np.add.at(total, of, mix(nodes[order] ^ mix(place.astype(np.uint64))))
    return mix(total)
