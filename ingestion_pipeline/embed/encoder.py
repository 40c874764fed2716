"""The encoder: one unit vector for every node of a graph, and for every text."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import CodeGraph, Relation, TermField, TermMatrix
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.embed import network
from ingestion_pipeline.embed.bags import Bags, NodeBags, make_bags, make_node_bags
from ingestion_pipeline.embed.gpu_memory import GpuMemory
from ingestion_pipeline.embed.heard import Heard, hear_all
from ingestion_pipeline.embed.messages import CHUNK_NODES, hear_plain, hear_torch
from ingestion_pipeline.embed.numpy_backend import NumpyBackend
from ingestion_pipeline.embed.torch_backend import TorchBackend, make_backend, move_parameters
from ingestion_pipeline.embed.torch_runtime import check_device, choose_device
from ingestion_pipeline.embed.version import ENCODER_DIM, ENCODER_VERSION, RELATED_DIM
from ingestion_pipeline.embed.weights import EncoderWeights, load_shipped_weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Terms that are added up in numpy, some 0.5 s in all, before torch is imported for the rest.
PLAIN_TERMS = 1_000_000
# Nodes whose messages numpy passes, some 0.5 s, where torch is not needed for their words.
PLAIN_NODES = 30_000
Vectors = npt.NDArray[np.float32]


class Encoder:
    """The network on its device, with its words' weights and its version.

    The first ``PLAIN_TERMS`` terms, and messages until then, take numpy's way to the same vectors,
    so that a small change costs no import of torch.

    When the memory of a GPU is full it takes less at once, then the CPU, and logs that.

    Args:
        weights: What to compute with.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Attributes:
        version: What its vectors are stamped with.
        dim: D, the length of ``text``.
        device: Where it runs now, ``cpu`` or ``cuda``.

    Raises:
        ConfigurationError: No such device.
    """

    def __init__(self, weights: EncoderWeights, device: str) -> None:
        check_device(device)
        self.version = weights.version
        self.dim = ENCODER_DIM
        self._weights = weights
        self._device_name = device
        self._plain = NumpyBackend(weights.table)
        # A CUDA device that was asked for by name is used from the first term on.
        self._plain_terms_left = 0 if device.startswith("cuda") else PLAIN_TERMS
        self._memory = GpuMemory(self._leave_gpu)

    @cached_property
    def _device(self) -> "torch.device":
        return choose_device(self._device_name)

    @cached_property
    def _torch(self) -> "tuple[Mapping[str, Tensor], TorchBackend]":
        return (
            move_parameters(self._weights, self._device),
            make_backend(self._weights, self._device),
        )

    def _leave_gpu(self) -> None:
        self.__dict__.pop("_torch", None)
        self.__dict__["_device"] = choose_device("cpu")

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._device.type

    def encode_text(self, words: str) -> Vectors:
        """Return the (D,) float32 unit vector of a query or any other text.

        Raises:
            ValueError: The text holds no word that is ever indexed.
        """
        return self.encode_texts([words])[0]

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (Q, D) float32 unit rows, row i for text i.

        Raises:
            ValueError: A text holds no word that is ever indexed.
        """
        return self.encode_terms(_count_texts(texts))

    def encode_terms(self, texts: TermMatrix) -> Vectors:
        """Return (Q, D) float32 unit rows of texts that were split already, none of them empty."""
        bags = make_bags(texts, self._weights.idf)
        if self._plain_terms_left > 0:
            return self.finish(network.embed_texts(self._weights.parameters, bags, self._plain))
        return self.finish(self._memory.fit(lambda _: self._run_torch(network.embed_texts, bags)))

    @property
    def passes_messages(self) -> bool:
        """Whether a node's vector depends on its neighbours: not before a layer is trained."""
        return bool(network.list_layers(self._weights.parameters))

    def embed_words(
        self,
        types: npt.NDArray[np.integer],
        terms: Mapping[TermField, TermMatrix],
        fields: Collection[TermField] = tuple(TermField),
    ) -> Vectors:
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
            h[slice(*span)] = self._embed_span(types, terms, fields, span)
        return h

    def _embed_span(
        self,
        types: npt.NDArray[np.integer],
        terms: Mapping[TermField, TermMatrix],
        fields: Collection[TermField],
        span: tuple[int, int],
    ) -> Vectors:
        nodes = make_node_bags(types, terms, self._weights.idf, fields, span)
        self._plain_terms_left -= nodes.term_count
        if self._plain_terms_left > 0:
            return network.embed_nodes(self._weights.parameters, nodes, self._plain)

        def run(parts: int) -> Vectors:
            if parts == 1:
                return self._run_torch(network.embed_nodes, nodes)
            cut = (
                make_node_bags(types, terms, self._weights.idf, fields, part)
                for part in _cut_span(span, parts)
            )
            return np.concatenate([self._run_torch(network.embed_nodes, part) for part in cut])

        return self._memory.fit(run)

    def _run_torch(self, function: "Callable[..., Tensor]", bags: Bags | NodeBags) -> Vectors:
        import torch

        parameters, backend = self._torch
        with torch.inference_mode():
            return function(parameters, bags, backend).cpu().numpy()

    def pass_messages(
        self,
        edges: Mapping[Relation, npt.NDArray[np.int64]],
        node_count: int,
        h: npt.NDArray[np.floating],
    ) -> Vectors | None:
        """Run the layers over the whole graph, in memory.

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
        if not self.passes_messages:
            return None
        everyone, heard = np.arange(node_count), list[Vectors]()
        for _ in network.list_layers(self._weights.parameters):
            heard.append(self._hear(edges, everyone, h, heard))
        after = np.asarray(h, np.float32)
        for layer, part in zip(network.list_layers(self._weights.parameters), heard, strict=True):
            after = network.add_heard(self._weights.parameters, layer, after, part)
        return after

    def hear(
        self,
        edges: Mapping[Relation, npt.NDArray[np.int64]],
        h: npt.NDArray[np.float16],
        known: Heard | None = None,
    ) -> Heard | None:
        """Run the layers where what a node hears is not known; what it adds to ``h`` is kept apart.

        Args:
            edges: Per relation (2, E), as in ``CodeGraph``.
            h: (N, D) float16, from ``embed_words``; a memory map will do.
            known: What was heard in any graph, with any encoder.

        Returns:
            What all nodes heard; None where no layer has been trained.
        """
        if not self.passes_messages:
            return None
        return hear_all(
            *(edges, h, self._salts, network.MESSAGE_DIM, known),
            lambda wanted, heard: self._hear(edges, wanted, h, heard),
        )

    def make_projection(self) -> Vectors:
        """Return (L · D / 4 + 1, D): what is heard in all layers, and a 1, times it is added to h.

        Without trained layers it is one row of zeros.
        """
        read, layers = self._weights.parameters, network.list_layers(self._weights.parameters)
        bias = sum((read[f"{layer}.out.bias"] for layer in layers), np.zeros(ENCODER_DIM))
        parts = [read[f"{layer}.out.weight"].T for layer in layers]
        return np.concatenate([*parts, bias[None]]).astype(np.float32)

    @cached_property
    def _salts(self) -> list[int]:
        """Of each layer a digest of all that decides what is heard in it, but for the nodes."""
        read, digest = self._weights.parameters, hashlib.blake2b(digest_size=8)
        salts: list[int] = []
        for layer in network.list_layers(read):
            for name in sorted(name for name in read if name.startswith(f"{layer}.")):
                digest.update(name.encode() + np.asarray(read[name], np.float32).tobytes())
            salts.append(int.from_bytes(digest.digest(), "little"))
        return salts

    def _hear(
        self,
        edges: Mapping[Relation, npt.NDArray[np.int64]],
        wanted: npt.NDArray[np.int64],
        h: npt.NDArray[np.floating],
        heard: Sequence[npt.NDArray[np.floating]],
    ) -> Vectors:
        if self._plain_terms_left > 0 and len(wanted) <= PLAIN_NODES:
            return hear_plain(self._weights.parameters, edges, wanted, h, heard, self._plain)

        def run(parts: int) -> Vectors:
            parameters, backend = self._torch
            return hear_torch(parameters, edges, wanted, h, heard, backend, parts)

        return self._memory.fit(run)

    def relate(self, h: npt.NDArray[np.floating]) -> Vectors:
        """Return (N, R) float32 unit rows of what changes together, R = D before any training.

        Args:
            h: (N, D) float16 or float32, from ``pass_messages`` or, without trained layers, from
                ``embed_words``; read a chunk at a time.
        """
        width = RELATED_DIM if "related" in self._weights.parameters else ENCODER_DIM
        related = np.empty((len(h), width), np.float32)
        for start in range(0, len(h), CHUNK_NODES):
            part = np.asarray(h[start : start + CHUNK_NODES], np.float32)
            related[start : start + CHUNK_NODES] = network.relate(self._weights.parameters, part)
        return self.finish(related, out=related)

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


def _cut_span(span: tuple[int, int], parts: int) -> list[tuple[int, int]]:
    """Return at most so many spans, none of them empty, that follow one another."""
    start, stop = span
    size = max(1, -(-(stop - start) // parts))
    return [(at, min(at + size, stop)) for at in range(start, stop, size)]


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


def load_encoder(device: str = "auto", version: str = ENCODER_VERSION) -> Encoder:
    """Return an encoder that ships with the package. Torch is imported when it is needed.

    Args:
        device: ``auto`` takes CUDA where there is one, else the CPU; ``cpu``; ``cuda``; ``cuda:N``.
        version: Which.

    Raises:
        ConfigurationError: No such device.
        EncoderWeightsError: No such version ships with this package, or its file is damaged.
    """
    return Encoder(load_shipped_weights(version), device)


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
