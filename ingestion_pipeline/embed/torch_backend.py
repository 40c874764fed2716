"""The formula's parts in torch, on any device."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ingestion_pipeline.embed.bags import Bags, NodeBags
from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW, TABLE_ROWS
from ingestion_pipeline.embed.weights import EncoderWeights

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class TorchBackend:
    """Runs the network on a device; see ``network.Backend``.

    Args:
        table: (TABLE_ROWS + 1, D) on that device.
    """

    def __init__(self, table: "Tensor") -> None:
        self._table = table
        self.device = table.device

    def sum_bags(self, bags: Bags) -> "Tensor":
        """Return (B, D), the weighted sum of the table's rows in each bag."""
        import torch

        return torch.nn.functional.embedding_bag(
            torch.from_numpy(bags.rows).to(self.device),
            self._table,
            torch.from_numpy(bags.offsets).to(self.device),
            mode="sum",
            per_sample_weights=torch.from_numpy(bags.weights).to(self.device),
        )

    def take_types(self, types: "Tensor", nodes: NodeBags) -> "Tensor":
        """Return (B, D), the row of each node's type."""
        import torch

        return types[torch.from_numpy(nodes.types).to(self.device)]

    def add_wordless(self, x: "Tensor", nodes: NodeBags) -> "Tensor":
        """Return ``x`` with the table's extra row added to nodes without a word."""
        import torch

        wordless = nodes.is_wordless
        if wordless.any():
            x = x + torch.from_numpy(wordless).to(self.device)[:, None] * self._table[NO_WORDS_ROW]
        return x

    def normalize(self, x: "Tensor", weight: "Tensor", bias: "Tensor") -> "Tensor":
        """Return (B, D), layer norm."""
        import torch

        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias)

    def gelu(self, x: "Tensor") -> "Tensor":
        """Return GELU in its tanh form."""
        import torch

        return torch.nn.functional.gelu(x, approximate="tanh")


def make_backend(weights: EncoderWeights, device: "torch.device") -> TorchBackend:
    """Return the backend with the whole table on a device, 67 MB."""
    import torch

    table = weights.table.make_rows(np.arange(TABLE_ROWS + 1))
    return TorchBackend(torch.from_numpy(table).to(device))


def move_parameters(weights: EncoderWeights, device: "torch.device") -> Mapping[str, "Tensor"]:
    """Return the parameters on a device."""
    import torch

    return {
        name: torch.from_numpy(np.asarray(value)).to(device)
        for name, value in weights.parameters.items()
    }
