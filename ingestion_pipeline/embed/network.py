"""The encoder's network: plain torch modules, and functions that run them.

For a node i with bags b_f of its fields f (b_f the weighted sum of the table's rows)::

    x_i = Σ_f w_f P_f b_f + t_type(i)            fields NAME, BODY, PATH, DOC
    h_i = x_i + MLP(x_i)
    h_i ← h_i + O · GELU(LN(S h_i + Σ_r R_r mean_{j ∈ N_r(i)} h_j))      twice
    z_i = h_i / ‖h_i‖

r runs over the four relations, each forwards and backwards, as in R-GCN
(https://arxiv.org/abs/1703.06103), with GraphSAGE's mean (https://arxiv.org/abs/1706.02216). Words
take the same table: z = normalise(y + MLP'(y)), y = P' b.

Every P is the identity, t is zero and so is the last matrix of each MLP and of each layer: before
any training z is the TF-IDF vector of the fields, projected by the table, and depends on the node's
own words alone. Blocks that are still so are skipped when run, which changes no bit of the result.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion_pipeline.core.graph import NodeType, Relation, TermField
from ingestion_pipeline.embed.hash_table import make_table
from ingestion_pipeline.embed.version import ENCODER_DIM

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ingestion_pipeline.embed.adjacency import NeighbourChunk

LAYER_COUNT = 2
FIELD_WEIGHTS = {
    TermField.NAME: 1.0,
    TermField.BODY: 1.0,
    TermField.PATH: 0.5,
    TermField.DOC: 0.7,
}
DIRECTIONS = ("forward", "backward")
EDGE_KINDS = tuple(f"{relation}_{direction}" for relation in Relation for direction in DIRECTIONS)
# Of the weights that a training would start from; the untrained vectors do not depend on them.
_SEED = 2026


@dataclass(frozen=True)
class Residual:
    """x + last(inner(x)): layer norm, twice the width, GELU, and back."""

    inner: "nn.Sequential"
    last: "nn.Linear"

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return (B, D); a block that gives zero costs nothing."""
        return x if is_zero(self.last) else x + self.last(self.inner(x))


@dataclass(frozen=True)
class Layer:
    """One round of messages: S, R_r, LN and O of the formula above."""

    own: "nn.Linear"
    relations: "dict[str, nn.Linear]"
    norm: "nn.LayerNorm"
    output: "nn.Linear"

    def __call__(self, h: "Tensor", chunk: "NeighbourChunk", mean: "nn.Module") -> "Tensor":
        """Run the layer for some of the nodes.

        Args:
            h: (N, D), all nodes before the layer.
            chunk: Which nodes, and their neighbours.
            mean: As ``make_mean_convolution`` makes it.

        Returns:
            (B, D), the chunk's nodes after the layer.
        """
        from torch.nn.functional import gelu

        own = h[chunk.start : chunk.stop]
        z = self.own(own)
        for kind, adjacency in chunk.adjacency.items():
            z = z + self.relations[kind](mean((h, None), adjacency))
        return own + self.output(gelu(self.norm(z)))


@dataclass(frozen=True)
class Network:
    """All weights; the parts are torch modules of their own."""

    table: "nn.Embedding"
    types: "nn.Embedding"
    field_weights: "nn.ParameterDict"
    projections: "dict[TermField, nn.Linear]"
    node_mlp: Residual
    text_projection: "nn.Linear"
    text_mlp: Residual
    layers: list[Layer]

    def as_module(self) -> "nn.ModuleDict":
        """Return the same weights as one module: to move, to save, to train."""
        from torch import nn

        def join(part: Residual | Layer) -> nn.ModuleDict:
            fields = vars(part).items()
            return nn.ModuleDict(
                {k: nn.ModuleDict(v) if isinstance(v, dict) else v for k, v in fields}
            )

        return nn.ModuleDict(
            {
                "table": self.table,
                "types": self.types,
                "field_weights": self.field_weights,
                "projections": nn.ModuleDict({f.value: p for f, p in self.projections.items()}),
                "node_mlp": join(self.node_mlp),
                "text_projection": self.text_projection,
                "text_mlp": join(self.text_mlp),
                "layers": nn.ModuleList(join(layer) for layer in self.layers),
            }
        )


def _make_zero(width: int) -> "nn.Linear":
    from torch import nn

    linear = nn.Linear(width, ENCODER_DIM)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _make_identity() -> "nn.Linear":
    from torch import nn

    linear = nn.Linear(ENCODER_DIM, ENCODER_DIM, bias=False)
    nn.init.eye_(linear.weight)
    return linear


def _make_residual() -> Residual:
    from torch import nn

    wide = 2 * ENCODER_DIM
    inner = nn.Sequential(nn.LayerNorm(ENCODER_DIM), nn.Linear(ENCODER_DIM, wide), nn.GELU())
    return Residual(inner, _make_zero(wide))


def _make_layer() -> Layer:
    from torch import nn

    return Layer(
        own=nn.Linear(ENCODER_DIM, ENCODER_DIM),
        relations={kind: nn.Linear(ENCODER_DIM, ENCODER_DIM, bias=False) for kind in EDGE_KINDS},
        norm=nn.LayerNorm(ENCODER_DIM),
        output=_make_zero(ENCODER_DIM),
    )


def make_network() -> Network:
    """Return the identity-initialised network on the CPU, in eval mode, always the same."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        types = nn.Embedding(len(NodeType), ENCODER_DIM)
        nn.init.zeros_(types.weight)
        weights = {field.value: torch.tensor(weight) for field, weight in FIELD_WEIGHTS.items()}
        network = Network(
            table=nn.Embedding.from_pretrained(torch.from_numpy(make_table()), freeze=False),
            types=types,
            field_weights=nn.ParameterDict(weights),
            projections={field: _make_identity() for field in TermField},
            node_mlp=_make_residual(),
            text_projection=_make_identity(),
            text_mlp=_make_residual(),
            layers=[_make_layer() for _ in range(LAYER_COUNT)],
        )
    network.as_module().eval().requires_grad_(requires_grad=False)
    return network


def is_zero(linear: "nn.Linear") -> bool:
    """Tell whether a linear map sends everything to zero."""
    return not bool(linear.weight.any()) and not bool(linear.bias.any())


def project(linear: "nn.Linear", x: "Tensor") -> "Tensor":
    """Apply a projection; an identity costs nothing."""
    import torch

    eye = torch.eye(ENCODER_DIM, device=linear.weight.device)
    return x if torch.equal(linear.weight, eye) else linear(x)
