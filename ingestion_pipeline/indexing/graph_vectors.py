"""The vectors of a branch's nodes on their way from the embed step to the store.

A vector is made when somebody asks for it, of two halves that lie on disk: what its words say, and
what was heard of the neighbours. Most are never asked for.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.vectors import create_vectors, read_vectors, release_pages
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.embed.heard import Heard
from ingestion_pipeline.indexing.handles import ClonedBranch

Rows = npt.NDArray[np.int64] | slice


@dataclass(frozen=True, slots=True)
class GraphVectors:
    """(N, D) unit rows.

    Args:
        words: (N, D) float16, what the nodes' own words say, of any length.
        heard: Per layer (N, D / 4) float16, what they heard of their neighbours.
        projection: (L · D / 4 + 1, D), what that adds; the last row is added to every node.
    """

    words: npt.NDArray[np.float16]
    heard: tuple[npt.NDArray[np.float16], ...]
    projection: npt.NDArray[np.float32]

    def take(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return (B, D) float32 of some of the nodes."""
        vectors = self.words[rows].astype(np.float32) + self.projection[-1]
        start = 0
        for part in self.heard:
            stop = start + part.shape[1]
            vectors += part[rows].astype(np.float32) @ self.projection[start:stop]
            start = stop
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def release_pages(self) -> None:
        """Take what was read out of this process's memory."""
        for part in (self.words, *self.heard):
            release_pages(part)


def create_words(branch: ClonedBranch, nodes: int) -> np.memmap:
    """Return a new (nodes, D) array on disk for what the nodes' own words say."""
    return create_vectors(branch.words_path, nodes, ENCODER_DIM, np.float16)


def save_heard(
    branch: ClonedBranch, heard: Heard | None, projection: npt.NDArray[np.float32]
) -> None:
    """Write down what was heard, if anything was."""
    _write(branch.projection_path, projection)
    for layer, values in enumerate(heard.values if heard else ()):
        _write(branch.heard_path(layer), values)


def _write(path: Path, array: npt.NDArray[np.floating]) -> None:
    rows, dim = array.shape
    created = create_vectors(path, rows, dim, array.dtype.type)
    created[:] = array
    created.flush()


def load_graph_vectors(branch: ClonedBranch) -> GraphVectors:
    """Return what the embed step wrote.

    Raises:
        ArtifactError: A file is missing or damaged.
    """
    projection = read_vectors(branch.projection_path, np.float32)
    layers = (len(projection) - 1) * 4 // ENCODER_DIM
    return GraphVectors(
        read_vectors(branch.words_path, np.float16),
        tuple(read_vectors(branch.heard_path(layer), np.float16) for layer in range(layers)),
        projection,
    )
