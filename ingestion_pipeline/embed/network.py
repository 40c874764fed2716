"""The encoder's formula, once, for numpy and for torch.

For a node i with bags b_f of its fields f (b_f the weighted sum of the table's rows)::

    x_i = Σ_f w_f P_f b_f + t_type(i)            fields NAME, BODY, PATH, DOC
    h_i = x_i + MLP(x_i)
    m_j = M h_j                                   D → D / 4
    h_i ← h_i + O · GELU(LN(S m_i + Σ_r R_r mean_{j ∈ N_r(i)} m_j))      twice
    text_i = h_i / ‖h_i‖,   related_i = C h_i / ‖C h_i‖

r runs over the four relations, each forwards and backwards, as in R-GCN
(https://arxiv.org/abs/1703.06103), with GraphSAGE's mean (https://arxiv.org/abs/1706.02216). A
layer works in D / 4 dimensions, at a tenth of what it would cost in D: every sync passes the
messages of the whole repository. Words take the same table: text = normalise(y + MLP'(y)),
y = P' b. GELU is its tanh form.

The parameters are arrays by name. One that is missing stands for what does nothing: a projection
for the identity, an MLP or a layer for zero. With none at all ``text`` is the TF-IDF vector of the
fields, projected by the table, and depends on the node's own words alone.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from ingestion_pipeline.core.graph import NodeType, Relation, TermField
from ingestion_pipeline.embed.bags import Bags, NodeBags
from ingestion_pipeline.embed.version import ENCODER_DIM, RELATED_DIM

LAYERS = ("layer0", "layer1")
MESSAGE_DIM = ENCODER_DIM // 4
FIELD_WEIGHTS = {
    TermField.NAME: 1.0,
    TermField.BODY: 1.0,
    TermField.PATH: 0.5,
    TermField.DOC: 0.7,
}
DIRECTIONS = ("forward", "backward")
EDGE_KINDS = tuple(f"{relation}_{direction}" for relation in Relation for direction in DIRECTIONS)

Array = Any
"""``numpy.ndarray`` or ``torch.Tensor``, float32."""
Parameters = Mapping[str, Array]


def list_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter that there may be."""
    d, m = ENCODER_DIM, MESSAGE_DIM
    shapes: dict[str, tuple[int, ...]] = {"types": (len(NodeType), d), "related": (RELATED_DIM, d)}
    for field in TermField:
        shapes |= {f"field_weight.{field}": (), f"projection.{field}": (d, d)}
    shapes["text_projection"] = (d, d)
    for mlp in ("node_mlp", "text_mlp"):
        shapes |= _name_pair(f"{mlp}.norm", (d,), (d,))
        shapes |= _name_pair(f"{mlp}.in", (2 * d, d), (2 * d,))
        shapes |= _name_pair(f"{mlp}.out", (d, 2 * d), (d,))
    for layer in LAYERS:
        shapes |= {f"{layer}.message": (m, d)} | {f"{layer}.{kind}": (m, m) for kind in EDGE_KINDS}
        shapes |= _name_pair(f"{layer}.own", (m, m), (m,))
        shapes |= _name_pair(f"{layer}.norm", (m,), (m,))
        shapes |= _name_pair(f"{layer}.out", (d, m), (d,))
    return shapes


def _name_pair(
    name: str, weight: tuple[int, ...], bias: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": bias}


class Backend(Protocol):
    """What numpy and torch do each in its own way."""

    def sum_bags(self, bags: Bags) -> Array:
        """Return (B, D), the weighted sum of the table's rows in each bag."""
        ...

    def take_types(self, types: Array, nodes: NodeBags) -> Array:
        """Return (B, D), the row of each node's type."""
        ...

    def add_wordless(self, x: Array, nodes: NodeBags) -> Array:
        """Return ``x`` with the table's extra row added to nodes without a word."""
        ...

    def normalize(self, x: Array, weight: Array, bias: Array) -> Array:
        """Return ``x`` after layer norm."""
        ...

    def gelu(self, x: Array) -> Array:
        """Return GELU in its tanh form."""
        ...


def embed_nodes(parameters: Parameters, nodes: NodeBags, backend: Backend) -> Array:
    """Return (B, D), h of the formula before any message."""
    x = None
    for field, bags in nodes.fields.items():
        weight = parameters.get(f"field_weight.{field}", FIELD_WEIGHTS[field])
        part = weight * _project(parameters, f"projection.{field}", backend.sum_bags(bags))
        x = part if x is None else x + part
    assert x is not None, "a node has fields"
    if "types" in parameters:
        x = x + backend.take_types(parameters["types"], nodes)
    return _add_mlp(parameters, "node_mlp", backend.add_wordless(x, nodes), backend)


def embed_texts(parameters: Parameters, bags: Bags, backend: Backend) -> Array:
    """Return (Q, D) of texts, of any length."""
    y = _project(parameters, "text_projection", backend.sum_bags(bags))
    return _add_mlp(parameters, "text_mlp", y, backend)


def list_layers(parameters: Parameters) -> list[str]:
    """Return the names of the layers that do something."""
    return [layer for layer in LAYERS if f"{layer}.out.weight" in parameters]


def make_messages(parameters: Parameters, layer: str, h: Array) -> Array:
    """Return (N, D / 4), what each node tells its neighbours in a layer."""
    return h @ parameters[f"{layer}.message"].T


def run_layer(
    parameters: Parameters,
    layer: str,
    own: Array,
    messages: Array,
    means: Mapping[str, Array],
    backend: Backend,
) -> Array:
    """Run a layer for some of the nodes.

    Args:
        parameters: The network's.
        layer: Its name.
        own: (B, D), these nodes before the layer.
        messages: (B, D / 4), what they say.
        means: Kind of edge → (B, D / 4) mean of the neighbours' messages; kinds without any edge
            here are left out.
        backend: Numpy or torch.

    Returns:
        (B, D), these nodes after the layer.
    """
    return add_heard(parameters, layer, own, hear(parameters, layer, messages, means, backend))


def hear(
    parameters: Parameters,
    layer: str,
    messages: Array,
    means: Mapping[str, Array],
    backend: Backend,
) -> Array:
    """Return (B, D / 4), the GELU of the formula: all that a layer learns of the neighbours."""
    z = _apply(parameters, f"{layer}.own", messages)
    for kind, mean in means.items():
        z = z + mean @ parameters[f"{layer}.{kind}"].T
    norm = f"{layer}.norm"
    return backend.gelu(
        backend.normalize(z, parameters[f"{norm}.weight"], parameters[f"{norm}.bias"])
    )


def add_heard(parameters: Parameters, layer: str, own: Array, heard: Array) -> Array:
    """Return (B, D), nodes after a layer, of what they were before it and of what they heard."""
    return own + _apply(parameters, f"{layer}.out", heard)


def relate(parameters: Parameters, h: Array) -> Array:
    """Return (B, R) of what changes together, of any length; without training, ``h`` itself."""
    return _project(parameters, "related", h)


def _project(parameters: Parameters, name: str, x: Array) -> Array:
    return x @ parameters[name].T if name in parameters else x


def _apply(parameters: Parameters, name: str, x: Array) -> Array:
    return x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]


def _add_mlp(parameters: Parameters, name: str, x: Array, backend: Backend) -> Array:
    if f"{name}.out.weight" not in parameters:
        return x
    norm = f"{name}.norm"
    z = backend.normalize(x, parameters[f"{norm}.weight"], parameters[f"{norm}.bias"])
    return x + _apply(parameters, f"{name}.out", backend.gelu(_apply(parameters, f"{name}.in", z)))
