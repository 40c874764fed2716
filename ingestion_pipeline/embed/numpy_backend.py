"""The formula's parts in numpy, without torch.

Importing torch takes seconds, more than everything else that a change of a few files costs. Bags
are summed here at half a microsecond a term, in torch at a tenth of that; the rest is BLAS in both.
"""

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.embed.bags import Bags, NodeBags
from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW
from ingestion_pipeline.embed.version import ENCODER_DIM
from ingestion_pipeline.embed.weights import Table

Float = npt.NDArray[np.float32]
_NORM_EPSILON = np.float32(1e-5)  # torch's


class NumpyBackend:
    """Runs the network on this machine's CPU; see ``network.Backend``.

    Args:
        table: The words' directions.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def sum_bags(self, bags: Bags) -> Float:
        """Return (B, D), each bag's rows added one term after another."""
        lengths = np.diff(bags.offsets, append=len(bags.rows))
        # A word stands in many bags: its row is made once.
        distinct, places = np.unique(bags.rows, return_inverse=True)
        rows = self._table.make_rows(distinct)
        longest_first = np.argsort(-lengths, kind="stable")
        starts = bags.offsets[longest_first]
        longest = int(lengths.max(initial=0))
        # How many bags hold a first term, a second, and so on.
        depths = len(lengths) - np.cumsum(np.bincount(lengths, minlength=longest + 1))[:longest]
        summed = np.zeros((len(lengths), ENCODER_DIM), np.float32)
        for place, count in enumerate(depths.tolist()):
            terms = starts[:count] + place
            summed[:count] += rows[places[terms]] * bags.weights[terms, None]
        vectors = np.empty_like(summed)
        vectors[longest_first] = summed
        return vectors

    def take_types(self, types: Float, nodes: NodeBags) -> Float:
        """Return (B, D), the row of each node's type."""
        return types[nodes.types]

    def add_wordless(self, x: Float, nodes: NodeBags) -> Float:
        """Return ``x`` with the table's extra row added to nodes without a word."""
        wordless = nodes.is_wordless
        if wordless.any():
            x = x.copy()
            x[wordless] += self._table.make_rows(np.array([NO_WORDS_ROW]))
        return x

    def normalize(self, x: Float, weight: Float, bias: Float) -> Float:
        """Return (B, D), layer norm."""
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.einsum("bd,bd->b", centred, centred)[:, None] / np.float32(x.shape[1])
        return centred / np.sqrt(variance + _NORM_EPSILON) * weight + bias

    def gelu(self, x: Float) -> Float:
        """Return GELU in its tanh form."""
        inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
        return np.float32(0.5) * x * (1 + np.tanh(inner))
