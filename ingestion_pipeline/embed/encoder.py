"""The encoder: one unit vector for every node of a graph, and for every text."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import CodeGraph, Relation, TermField, TermMatrix
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.embed import torch_words, untrained
from ingestion_pipeline.embed.adjacency import Adjacency
from ingestion_pipeline.embed.bags import NodeBags, make_bags, make_node_bags
from ingestion_pipeline.embed.idf import load_idf
from ingestion_pipeline.embed.network import Layer, Network, is_zero, make_network
from ingestion_pipeline.embed.torch_runtime import (
    check_device,
    choose_device,
    make_mean_convolution,
)
from ingestion_pipeline.embed.version import ENCODER_DIM, ENCODER_VERSION

if TYPE_CHECKING:
    import torch

# Nodes at a time: 8 MB a tensor of (B, D), 16 MB for the widest inside the network.
CHUNK_NODES = 8192


# Terms that are added up in numpy, some 0.5 s in all, before torch is imported for the rest.
PLAIN_TERMS = 1_000_000


class Encoder:
    """The network on its device, with its term weights and its version.

    Args:
        network: Any weights; None for the untrained ones, which are made when they are needed:
            the first ``PLAIN_TERMS`` terms of nodes, and texts until then, take numpy's way to the
            same vectors (see ``untrained``), so that a small change costs no import of torch.
        device: ``auto``, ``cpu`` or ``cuda``.

    Attributes:
        version: What its vectors are stamped with.
        dim: D, their length.
        device: Where it runs, ``cpu`` or ``cuda``.

    Raises:
        ConfigurationError: No such device.
    """

    def __init__(self, network: Network | None, device: str) -> None:
        check_device(device)
        self.version = ENCODER_VERSION
        self.dim = ENCODER_DIM
        self._is_untrained = network is None
        self._given_network = network
        self._device_name = device
        self._idf = load_idf()
        # A CUDA device that was asked for by name is used from the first term on.
        self._plain_terms_left = PLAIN_TERMS if network is None and device != "cuda" else 0

    @cached_property
    def _device(self) -> "torch.device":
        return choose_device(self._device_name)

    @cached_property
    def _network(self) -> Network:
        network = make_network() if self._given_network is None else self._given_network
        network.as_module().to(self._device)
        return network

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
        bags = make_bags(_count_texts(texts), self._idf)
        if self._plain_terms_left > 0:
            return self.finish(untrained.embed_bags(bags))
        return self.finish(torch_words.embed_texts(self._network, self._device, bags))

    @property
    def passes_messages(self) -> bool:
        """Whether a node's vector depends on its neighbours: not before a layer is trained."""
        return bool(self._list_trained_layers())

    def _list_trained_layers(self) -> list[Layer]:
        if self._is_untrained:
            return []
        return [layer for layer in self._network.layers if not is_zero(layer.output)]

    def embed_words(
        self,
        types: npt.NDArray[np.integer],
        terms: Mapping[TermField, TermMatrix],
        fields: Collection[TermField] = tuple(TermField),
    ) -> npt.NDArray[np.float32]:
        """Embed nodes by their own words alone: h of the network's formula before any message.

        A row depends on its node alone, but for rounding where the MLP has been trained. A node
        without a word in any field takes the table's extra row, as if it held one word that no text
        has: finite, alike for all such nodes and unlike any query.

        Args:
            types: (B,) integers, ``NodeType``.
            terms: Per field B rows.
            fields: Which of them to read.

        Returns:
            (B, D) float32, of any length; ``finish`` makes unit rows of them.
        """
        h = np.empty((len(types), ENCODER_DIM), np.float32)
        for start in range(0, len(types), CHUNK_NODES):
            span = (start, min(start + CHUNK_NODES, len(types)))
            nodes = make_node_bags(types, terms, self._idf, fields, span)
            h[slice(*span)] = self._embed_nodes(nodes)
        return h

    def _embed_nodes(self, nodes: NodeBags) -> npt.NDArray[np.float32]:
        self._plain_terms_left -= nodes.term_count
        if self._plain_terms_left > 0:
            return untrained.embed_nodes(nodes)
        return torch_words.embed_nodes(self._network, self._device, nodes)

    def pass_messages(
        self,
        edges: Mapping[Relation, npt.NDArray[np.int64]],
        node_count: int,
        h: npt.NDArray[np.floating],
    ) -> npt.NDArray[np.float32] | None:
        """Run the layers over the whole graph.

        Args:
            edges: Per relation (2, E), as in ``CodeGraph``.
            node_count: N.
            h: (N, D) float16 or float32, from ``embed_words``; a memory map will do.

        Returns:
            (N, D) float32; None where no layer has been trained, so that ``h`` stays as it is.

        Raises:
            ValueError: ``h`` has not N rows.
        """
        if len(h) != node_count:
            raise ValueError(f"{len(h)} vectors for {node_count} nodes; give one a node.")
        layers = self._list_trained_layers()
        if not layers:
            return None
        import torch

        adjacency = Adjacency(edges, node_count)
        mean = make_mean_convolution()
        with torch.inference_mode():
            before = torch.tensor(np.asarray(h), dtype=torch.float32, device=self._device)
            for layer in layers:
                after = torch.empty_like(before)
                for chunk in adjacency.cut(CHUNK_NODES, self._device):
                    after[chunk.start : chunk.stop] = layer(before, chunk, mean)
                before = after
        return before.cpu().numpy()

    def finish(
        self, h: npt.NDArray[np.floating], out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Give every row the length 1.

        Args:
            h: (N, D) float16 or float32; a memory map will do, read a chunk at a time.
            out: (N, D) float32 to write to, such as a memory map or ``h`` itself; None for a new
                array.

        Returns:
            ``out``.
        """
        unit = np.empty(h.shape, np.float32) if out is None else out
        for start in range(0, len(h), CHUNK_NODES):
            part = h[start : start + CHUNK_NODES].astype(np.float32)
            part /= np.sqrt(np.einsum("nd,nd->n", part, part))[:, None]
            unit[start : start + CHUNK_NODES] = part
        return unit

    def encode_nodes(
        self, graph: CodeGraph, fields: Collection[TermField]
    ) -> npt.NDArray[np.float32]:
        """Return (N, D) float32 unit rows; see ``encode_graph``."""
        h = self.embed_words(graph.nodes["type"].to_numpy(), graph.terms, fields)
        passed = self.pass_messages(graph.edges, graph.node_count, h)
        return self.finish(h if passed is None else passed, out=h)


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
    """Return the encoder; the same weights every time. Torch is imported when it is needed.

    Args:
        device: ``auto`` takes CUDA where there is one, else the CPU; ``cpu``; ``cuda``.

    Raises:
        ConfigurationError: No such device.
    """
    return Encoder(None, device)


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
