"""Vectors from the code graph: the dense encoder, the sparse words, and the picture of both.

Belongs here: the encoder's architecture, its weights and version, term weights, and what is drawn
from vectors. Does not belong here: how the graph was found (``graph``), where vectors go
(``points``).

The data flows ``CodeGraph``, or types and terms a batch at a time → weighted bags of words per
field (``bags``) → words through the network (``numpy_backend`` while they are few,
``torch_backend`` after) → messages along the edges (``adjacency``, ``network``) → one unit vector a
node. Importing this package imports neither torch nor matplotlib; the functions that need them do,
PyG only where a layer has been trained.
"""

from ingestion_pipeline.embed.codemap import project_2d, render_code_map
from ingestion_pipeline.embed.encoder import Encoder, encode_graph, load_encoder
from ingestion_pipeline.embed.sparse import (
    SparseVectors,
    make_query_sparse,
    make_sparse_vectors,
    make_sparse_vectors_of,
)
from ingestion_pipeline.embed.version import ENCODER_DIM, ENCODER_VERSION

__all__ = [
    "ENCODER_DIM",
    "ENCODER_VERSION",
    "Encoder",
    "SparseVectors",
    "encode_graph",
    "load_encoder",
    "make_query_sparse",
    "make_sparse_vectors",
    "make_sparse_vectors_of",
    "project_2d",
    "render_code_map",
]
