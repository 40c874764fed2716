"""The untrained network in numpy: what it computes on the CPU, bit for bit, without torch.

Importing torch takes seconds, more than everything else that a change of a few files costs. Where
all projections are identities and all blocks zero, as ``make_network`` leaves them, only sums of
the table's rows are left. They come out alike to the last bit: an entry is ± a power of two, so its
product with a weight is exact, and both add in the order of the terms. Here a term costs about
half a microsecond, in torch a tenth of that.
"""

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.embed.bags import Bags, NodeBags
from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW, make_rows
from ingestion_pipeline.embed.network import FIELD_WEIGHTS
from ingestion_pipeline.embed.version import ENCODER_DIM

Vectors = npt.NDArray[np.float32]


def embed_bags(bags: Bags) -> Vectors:
    """Return (B, D), the weighted sum of each bag's rows, added one term after another."""
    lengths = np.diff(bags.offsets, append=len(bags.rows))
    longest_first = np.argsort(-lengths, kind="stable")
    starts = bags.offsets[longest_first]
    longest = int(lengths.max(initial=0))
    # How many bags hold a first term, a second, and so on.
    depths = len(lengths) - np.cumsum(np.bincount(lengths, minlength=longest + 1))[:longest]
    summed = np.zeros((len(lengths), ENCODER_DIM), np.float32)
    for place, count in enumerate(depths.tolist()):
        terms = starts[:count] + place
        summed[:count] += make_rows(bags.rows[terms]) * bags.weights[terms, None]
    vectors = np.empty_like(summed)
    vectors[longest_first] = summed
    return vectors


def embed_nodes(nodes: NodeBags) -> Vectors:
    """Return (B, D), h of the network's formula before any message."""
    x = np.zeros((len(nodes.types), ENCODER_DIM), np.float32)
    for field, bags in nodes.fields.items():
        x += np.float32(FIELD_WEIGHTS[field]) * embed_bags(bags)
    x[nodes.is_wordless] += make_rows(np.array([NO_WORDS_ROW]))
    return x
