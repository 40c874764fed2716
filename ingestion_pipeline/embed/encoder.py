"""The encoder: one unit vector for every node of a graph, and for every text."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import CodeGraph, TermField, TermMatrix
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.embed.adjacency import Adjacency
from ingestion_pipeline.embed.bags import Bags, make_bags
from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW
from ingestion_pipeline.embed.idf import load_idf
from ingestion_pipeline.embed.network import (
    Network,
    is_zero,
    make_network,
    project,
)
from ingestion_pipeline.embed.torch_runtime import choose_device, make_mean_convolution
from ingestion_pipeline.embed.version import ENCODER_DIM, ENCODER_VERSION

if TYPE_CHECKING:
    from torch import Tensor

# Nodes at a time: 8 MB a tensor of (B, D), 16 MB for the widest inside the network.
CHUNK_NODES = 8192


class Encoder:
    """The network on its device, with its term weights and its version.

    Attributes:
        version: What its vectors are stamped with.
        dim: D, their length.
        device: Where it runs, ``cpu`` or ``cuda``.
    """

    def __init__(self, network: Network, device: str) -> None:
        self.version = ENCODER_VERSION
        self.dim = ENCODER_DIM
        self._device = choose_device(device)
        network.as_module().to(self._device)
        self._network = network
        self._idf = load_idf()

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._device.type

    def encode_text(self, words: str) -> npt.NDArray[np.float32]:
        """Return the (D,) float32 unit vector of a query or any other text.

        Raises:
            ValueError: The text holds no word that is ever indexed.
        """
        return self.encode_texts([words])[0]

    def encode_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (Q, D) float32 unit rows, row i for text i.

        Raises:
            ValueError: A text holds no word that is ever indexed.
        """
        import torch

        bags = make_bags(_count_texts(texts), self._idf)
        with torch.inference_mode():
            x = project(self._network.text_projection, self._sum_bags(bags))
            z = torch.nn.functional.normalize(self._network.text_mlp(x), dim=-1)
        return z.cpu().numpy()

    def encode_nodes(
        self, graph: CodeGraph, fields: Collection[TermField]
    ) -> npt.NDArray[np.float32]:
        """Return (N, D) float32 unit rows; see ``encode_graph``."""
        import torch

        with torch.inference_mode():
            h = torch.empty(graph.node_count, ENCODER_DIM, device=self._device)
            for start in range(0, graph.node_count, CHUNK_NODES):
                stop = min(start + CHUNK_NODES, graph.node_count)
                h[start:stop] = self._encode_words(graph, fields, start, stop)
            h = self._pass_messages(graph, h)
            for start in range(0, graph.node_count, CHUNK_NODES):
                part = h[start : start + CHUNK_NODES]
                part /= part.norm(dim=-1, keepdim=True)
        return h.cpu().numpy()

    def _sum_bags(self, bags: Bags) -> "Tensor":
        import torch

        return torch.nn.functional.embedding_bag(
            torch.from_numpy(bags.rows).to(self._device),
            self._network.table.weight,
            torch.from_numpy(bags.offsets).to(self._device),
            mode="sum",
            per_sample_weights=torch.from_numpy(bags.weights).to(self._device),
        )

    def _encode_words(
        self, graph: CodeGraph, fields: Collection[TermField], start: int, stop: int
    ) -> "Tensor":
        """Return (B, D) from the nodes' own words, before any message.

        A node without a word in any field takes the table's extra row, as if it held one word that
        no text has: a finite unit vector that is alike for all such nodes and unlike any query.
        """
        import torch

        types = graph.nodes["type"].to_numpy(np.int64)[start:stop]
        x = self._network.types(torch.tensor(types, device=self._device))
        wordless = np.ones(stop - start, bool)
        for field in fields:
            bags = make_bags(graph.terms[field], self._idf, start, stop)
            wordless &= bags.is_empty
            summed = project(self._network.projections[field], self._sum_bags(bags))
            x = x + self._network.field_weights[field] * summed
        empty = torch.from_numpy(wordless).to(self._device)
        x[empty] += self._network.table.weight[NO_WORDS_ROW]
        return self._network.node_mlp(x)

    def _pass_messages(self, graph: CodeGraph, h: "Tensor") -> "Tensor":
        import torch

        layers = [layer for layer in self._network.layers if not is_zero(layer.output)]
        if not layers:
            return h
        adjacency = Adjacency(graph)
        mean = make_mean_convolution()
        for layer in layers:
            after = torch.empty_like(h)
            for chunk in adjacency.cut(CHUNK_NODES, self._device):
                after[chunk.start : chunk.stop] = layer(h, chunk, mean)
            h = after
        return h


def _count_texts(texts: Sequence[str]) -> TermMatrix:
    counted = [count_terms(split_text(text)) for text in texts]
    for text, terms in zip(texts, counted, strict=True):
        if not terms:
            raise ValueError(
                f"{text!r} holds no word to search for: only stop words, keywords, digits or "
                "single letters. Name what you look for."
            )
    lengths = [len(terms) for terms in counted]
    flat = [pair for terms in counted for pair in sorted(terms.items())]
    pairs = np.array(flat, np.int64).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TermMatrix(offsets, pairs[:, 0], pairs[:, 1].astype(np.float32))


def load_encoder(device: str = "auto") -> Encoder:
    """Return the encoder, ready to run; the same weights every time.

    Args:
        device: ``auto`` takes CUDA where there is one, else the CPU; ``cpu``; ``cuda``.

    Raises:
        ConfigurationError: No such device.
    """
    return Encoder(make_network(), device)


def encode_graph(
    encoder: Encoder, graph: CodeGraph, fields: Collection[TermField] = tuple(TermField)
) -> npt.NDArray[np.float32]:
    """Embed every node of a graph.

    Memory beside the result (1 KB a node) is that of one chunk of nodes, and once more the result
    where a layer has been trained.

    Args:
        encoder: From ``load_encoder``.
        graph: Any number of nodes.
        fields: Which fields of the nodes to read; leaving out DOC shows how well a docstring finds
            its own function.

    Returns:
        (N, D) float32, rows of unit length, row i is node i.
    """
    return encoder.encode_nodes(graph, fields)
