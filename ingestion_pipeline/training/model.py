"""The network while it learns: its formula with dropout, on tensors that remember gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestion_pipeline.core.graph import NodeType, TermField
from ingestion_pipeline.embed import network
from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW, TABLE_ROWS, get_rows, make_table
from ingestion_pipeline.embed.idf import load_idf
from ingestion_pipeline.embed.torch_runtime import load_scatter
from ingestion_pipeline.embed.version import ENCODER_DIM, RELATED_DIM
from ingestion_pipeline.embed.weights import EncoderWeights, quantize_table
from ingestion_pipeline.training.chunks import Chunk, Words
from ingestion_pipeline.training.dataset import Numbers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DROPOUT = 0.1
EDGE_DROPOUT = 0.2
_START_SCALE = {"text": 14.0, "related": 10.0}
_MOST_SCALE = {"text": 50.0, "related": 40.0}


@dataclass(frozen=True, slots=True)
class _Bags:
    rows: "Tensor"
    weights: "Tensor"
    offsets: "Tensor"


@dataclass(frozen=True, slots=True)
class _Nodes:
    """As ``NodeBags``."""

    types: "Tensor"
    fields: dict[TermField, _Bags]
    is_wordless: "Tensor"


class Model:
    """All that a training moves.

    Args:
        seed: Of the weights that do not begin as identity or zero.
        device: Where it runs.
        layers: Whether nodes hear their neighbours; without, it is the MLP of the ablation.
        word_dropout: Share of a node's words that a step does not see.
    """

    def __init__(
        self,
        seed: int,
        device: "torch.device",
        *,
        layers: bool = True,
        word_dropout: float = 0.25,
    ) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        started = _make_start(generator, layers=layers)
        self.device = device
        self.table = _learn(torch.from_numpy(make_table()), device)
        self.idf = torch.from_numpy(np.array(load_idf())).to(device)
        # By how much a word's weight grows or shrinks, as a logarithm.
        self.gains = _learn(torch.zeros(TABLE_ROWS), device)
        self.parameters = {name: _learn(value, device) for name, value in started.items()}
        self.scales = {
            name: _learn(torch.tensor(scale).log(), device) for name, scale in _START_SCALE.items()
        }
        self._wordless = self.table[NO_WORDS_ROW].detach().clone()
        self.is_training = True
        self._scatter = load_scatter()
        self._word_dropout = word_dropout

    @property
    def dense_parameters(self) -> "list[Tensor]":
        """All but the table, whose gradient is sparse."""
        return [self.gains, *self.parameters.values(), *self.scales.values()]

    def get_scale(self, head: str) -> "Tensor":
        """Return the inverse temperature of a head, ``text`` or ``related``."""
        return self.scales[head].exp().clamp(max=_MOST_SCALE[head])

    def encode_nodes(
        self, chunk: Chunk, *, with_doc: bool, nameless: "Tensor | None" = None
    ) -> "Tensor":
        """Return (B, D), h after the layers.

        Args:
            chunk: The nodes.
            with_doc: Whether the field DOC is read.
            nameless: (B,) bool, nodes whose own name is hidden from them; None for none.
        """
        import torch

        read = {
            field: words
            for field, words in chunk.words.items()
            if with_doc or field is not TermField.DOC
        }
        fields = {
            field: self._weigh(words, len(chunk.types), nameless)
            for field, words in read.items()
            if len(words.rows)
        }
        empty = torch.stack([words.is_empty for words in read.values()]).all(dim=0)
        nodes: Any = _Nodes(chunk.types, fields, empty)
        backend: Any = self  # for bags of tensors instead of arrays
        h = network.embed_nodes(self.parameters, nodes, backend)
        for layer in network.list_layers(self.parameters):
            messages = network.make_messages(self.parameters, layer, h)
            means = {
                kind: self._average(messages, self._drop_edges(edges), len(h))
                for kind, edges in chunk.edges.items()
            }
            h = network.run_layer(self.parameters, layer, h, messages, means, backend)
        return h

    def encode_texts(self, texts: Sequence[Numbers]) -> "Tensor":
        """Return (Q, D) unit rows of texts, each the ids of its terms, at least one."""
        import torch

        lengths = np.array([len(text) for text in texts])
        rows = torch.from_numpy(get_rows(np.concatenate(list(texts)))).to(self.device)
        owners = torch.from_numpy(np.repeat(np.arange(len(texts)), lengths)).to(self.device)
        offsets = torch.from_numpy(np.cumsum(lengths) - lengths).to(self.device)
        weights = _make_unit(self._get_weights(rows), owners, len(texts))
        bags: Any = _Bags(rows, weights, offsets)
        backend: Any = self
        return normalize(network.embed_texts(self.parameters, bags, backend))

    def relate(self, h: "Tensor") -> "Tensor":
        """Return (B, R) unit rows of the head that says what changes together."""
        return normalize(network.relate(self.parameters, h))

    def _get_weights(self, rows: "Tensor") -> "Tensor":
        return self.idf[rows] * self.gains[rows].exp()

    def _weigh(self, words: Words, count: int, nameless: "Tensor | None") -> _Bags:
        import torch

        weights = words.frequencies * self._get_weights(words.rows)
        if nameless is not None:
            weights = weights * ~(words.is_of_name & nameless[words.owners])
        if self.is_training:
            weights = weights * (torch.rand_like(weights) > self._word_dropout)
        return _Bags(words.rows, _make_unit(weights, words.owners, count), words.offsets)

    def _drop_edges(self, edges: "Tensor") -> "Tensor":
        import torch

        if not self.is_training:
            return edges
        kept = torch.rand(edges.shape[1], device=self.device) > EDGE_DROPOUT
        return edges[:, kept]

    def _average(self, messages: "Tensor", edges: "Tensor", count: int) -> "Tensor":
        receivers, senders = edges
        return self._scatter(messages[senders], receivers, dim_size=count, reduce="mean")

    # What ``network.Backend`` asks for.

    def sum_bags(self, bags: _Bags) -> "Tensor":
        """Return (B, D), the weighted sum of the table's rows in each bag."""
        import torch

        return torch.nn.functional.embedding_bag(
            bags.rows,
            self.table,
            bags.offsets,
            mode="sum",
            per_sample_weights=bags.weights,
            sparse=True,
        )

    def take_types(self, types: "Tensor", nodes: _Nodes) -> "Tensor":
        """Return (B, D), the row of each node's type."""
        return types[nodes.types]

    def add_wordless(self, x: "Tensor", nodes: _Nodes) -> "Tensor":
        """Return ``x`` with the table's extra row, which never learns, for nodes without a word."""
        return x + nodes.is_wordless[:, None] * self._wordless

    def normalize(self, x: "Tensor", weight: "Tensor", bias: "Tensor") -> "Tensor":
        """Return (B, D), layer norm."""
        import torch

        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias)

    def gelu(self, x: "Tensor") -> "Tensor":
        """Return GELU in its tanh form, with dropout while it learns."""
        import torch

        activated = torch.nn.functional.gelu(x, approximate="tanh")
        return torch.nn.functional.dropout(activated, DROPOUT, self.is_training)

    def export(self, version: str, facts: dict[str, object]) -> EncoderWeights:
        """Return what was learnt so far, as it is saved and run; the gains go into the idf."""
        table = self.table.detach().cpu().numpy()
        idf = (self.idf * self.gains.exp()).detach().cpu().numpy()
        # Copies: on the CPU the arrays would go on learning.
        parameters = {
            name: value.detach().cpu().numpy().copy() for name, value in self.parameters.items()
        }
        return EncoderWeights(version, parameters, quantize_table(table), idf, facts)


def normalize(x: "Tensor") -> "Tensor":
    """Return rows of length 1."""
    import torch

    return torch.nn.functional.normalize(x, dim=-1)


def _make_unit(weights: "Tensor", owners: "Tensor", count: int) -> "Tensor":
    squares = weights.new_zeros(count).index_add(0, owners, weights * weights)
    return weights * squares.clamp_min(1e-9).rsqrt()[owners]


def _learn(value: "Tensor", device: "torch.device") -> "Tensor":
    return value.clone().to(device).requires_grad_()


def _make_start(generator: "torch.Generator", *, layers: bool) -> "dict[str, Tensor]":
    """Return the parameters before any training: they leave the untrained vectors as they are."""
    import torch

    start: dict[str, Tensor] = {"types": torch.zeros(len(NodeType), ENCODER_DIM)}
    for field in TermField:
        start[f"field_weight.{field}"] = torch.tensor(network.FIELD_WEIGHTS[field])
        start[f"projection.{field}"] = torch.eye(ENCODER_DIM)
    start["text_projection"] = torch.eye(ENCODER_DIM)
    for mlp in ("node_mlp", "text_mlp"):
        start |= _make_norm(f"{mlp}.norm")
        start |= _make_linear(f"{mlp}.in", 2 * ENCODER_DIM, ENCODER_DIM, generator)
        start |= _make_zero(f"{mlp}.out", ENCODER_DIM, 2 * ENCODER_DIM)
    for layer in network.LAYERS if layers else ():
        width = network.MESSAGE_DIM
        start[f"{layer}.message"] = _draw(width, ENCODER_DIM, generator)
        start |= _make_linear(f"{layer}.own", width, width, generator)
        for kind in network.EDGE_KINDS:
            start[f"{layer}.{kind}"] = _draw(width, width, generator)
        start |= _make_norm(f"{layer}.norm", width)
        start |= _make_zero(f"{layer}.out", ENCODER_DIM, width)
    square = torch.randn(ENCODER_DIM, ENCODER_DIM, generator=generator)
    start["related"] = torch.linalg.qr(square).Q[:RELATED_DIM].contiguous()
    return start


def _draw(rows: int, columns: int, generator: "torch.Generator") -> "Tensor":
    import torch

    return (torch.rand(rows, columns, generator=generator) * 2 - 1) * columns**-0.5


def _make_linear(
    name: str, rows: int, columns: int, generator: "torch.Generator"
) -> "dict[str, Tensor]":
    import torch

    return {
        f"{name}.weight": _draw(rows, columns, generator),
        f"{name}.bias": torch.zeros(rows),
    }


def _make_zero(name: str, rows: int, columns: int) -> "dict[str, Tensor]":
    import torch

    return {f"{name}.weight": torch.zeros(rows, columns), f"{name}.bias": torch.zeros(rows)}


def _make_norm(name: str, width: int = ENCODER_DIM) -> "dict[str, Tensor]":
    import torch

    return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
