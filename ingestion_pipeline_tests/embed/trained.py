"""Encoders with weights that do something: what a training may once bring."""

from ingestion_pipeline.embed import Encoder
from ingestion_pipeline.embed.network import Network, make_network


def make_trained_network() -> Network:
    """Return a network in which every part has an effect."""
    import torch

    network = make_network()
    generator = torch.Generator().manual_seed(7)
    for name, weight in network.as_module().named_parameters():
        if not name.startswith("table"):
            weight += torch.randn(weight.shape, generator=generator) * 0.05
    return network


def make_layered_encoder(seed: int = 7, strength: float = 0.003) -> Encoder:
    """Return an encoder on the CPU that differs from the real one in its layers alone.

    Word vectors are those of the real encoder; then a node hears its neighbours, faintly.

    Args:
        seed: Of the layers' weights.
        strength: Standard deviation of the output weights.
    """
    import torch

    network = make_network()
    generator = torch.Generator().manual_seed(seed)
    for layer in network.layers:
        weight = layer.output.weight
        weight.copy_(torch.randn(weight.shape, generator=generator) * strength)
    return Encoder(network, "cpu")
