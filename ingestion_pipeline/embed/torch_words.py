"""Words through the network in torch, on any device and with any weights."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.embed.bags import Bags, NodeBags
from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW
from ingestion_pipeline.embed.network import Network, project

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Vectors = npt.NDArray[np.float32]


def _sum_bags(network: Network, device: "torch.device", bags: Bags) -> "Tensor":
    import torch

    return torch.nn.functional.embedding_bag(
        torch.from_numpy(bags.rows).to(device),
        network.table.weight,
        torch.from_numpy(bags.offsets).to(device),
        mode="sum",
        per_sample_weights=torch.from_numpy(bags.weights).to(device),
    )


def embed_texts(network: Network, device: "torch.device", bags: Bags) -> Vectors:
    """Return (Q, D) of texts, of any length."""
    import torch

    with torch.inference_mode():
        x = project(network.text_projection, _sum_bags(network, device, bags))
        return network.text_mlp(x).cpu().numpy()


def embed_nodes(network: Network, device: "torch.device", nodes: NodeBags) -> Vectors:
    """Return (B, D), h of the network's formula before any message."""
    import torch

    with torch.inference_mode():
        x = network.types(torch.from_numpy(nodes.types).to(device))
        for field, bags in nodes.fields.items():
            summed = project(network.projections[field], _sum_bags(network, device, bags))
            x = x + network.field_weights[field] * summed
        x[torch.from_numpy(nodes.is_wordless).to(device)] += network.table.weight[NO_WORDS_ROW]
        return network.node_mlp(x).cpu().numpy()
