"""Small graphs made by hand, without the rooms before this one."""

from collections.abc import Mapping, Sequence

import numpy as np

from ingestion_pipeline.core.graph import CodeGraph, NodeType, Relation, TermField, TermMatrix
from ingestion_pipeline.core.terms import count_terms, split_text

Node = tuple[NodeType, dict[TermField, str]]
Edges = Mapping[Relation, Sequence[tuple[int, int]]]

NAME, BODY, PATH, DOC = TermField


def make_matrix(texts: Sequence[str]) -> TermMatrix:
    rows = [sorted(count_terms(split_text(text)).items()) for text in texts]
    flat = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2)
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    return TermMatrix(offsets, flat[:, 0], flat[:, 1].astype(np.float32))


def make_graph(nodes: Sequence[Node], edges: Edges | None = None) -> CodeGraph:
    import pandas as pd

    types = np.array([node_type for node_type, _ in nodes], np.int8)
    pairs = {relation: (edges or {}).get(relation, []) for relation in Relation}
    return CodeGraph(
        nodes=pd.DataFrame({"type": types}),
        edges={r: np.array(found, np.int64).reshape(-1, 2).T for r, found in pairs.items()},
        terms={f: make_matrix([texts.get(f, "") for _, texts in nodes]) for f in TermField},
    )


def permute_graph(graph: CodeGraph, order: Sequence[int]) -> CodeGraph:
    """Return the same graph with node ``order[i]`` at place i."""
    place = np.argsort(order)
    terms = {}
    for field, matrix in graph.terms.items():
        spans = [slice(matrix.offsets[i], matrix.offsets[i + 1]) for i in order]
        lengths = [span.stop - span.start for span in spans]
        terms[field] = TermMatrix(
            np.cumsum([0, *lengths]).astype(np.int64),
            np.concatenate([matrix.term_ids[span] for span in spans]),
            np.concatenate([matrix.counts[span] for span in spans]),
        )
    return CodeGraph(
        nodes=graph.nodes.iloc[list(order)].reset_index(drop=True),
        edges={relation: place[edges] for relation, edges in graph.edges.items()},
        terms=terms,
    )


SHOP = make_graph(
    [
        (NodeType.FILE, {NAME: "cart", BODY: "class Cart add item total price tax", PATH: "shop"}),
        (NodeType.FILE, {NAME: "mail", BODY: "send message smtp socket recipient", PATH: "shop"}),
        (NodeType.CLASS, {NAME: "Cart", BODY: "add item total price tax", PATH: "cart"}),
        (NodeType.FUNCTION, {NAME: "total_price", BODY: "sum price item tax rate", PATH: "cart"}),
        (
            NodeType.FUNCTION,
            {
                NAME: "send_mail",
                BODY: "smtp connect socket send recipient",
                DOC: "deliver a letter",
            },
        ),
        (NodeType.FUNCTION, {}),
        (NodeType.DIRECTORY, {NAME: "shop", PATH: "shop"}),
    ],
    {
        Relation.CONTAINS: [(6, 0), (6, 1), (0, 2), (2, 3), (1, 4), (1, 5)],
        Relation.IMPORTS: [(0, 1)],
        Relation.CALLS: [(3, 4), (0, 4), (4, 5)],
        Relation.INHERITS: [],
    },
)
