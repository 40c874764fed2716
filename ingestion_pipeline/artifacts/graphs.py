"""The graph folder (a Parquet table of nodes beside plain arrays) and the vectors file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file, replace_folder
from ingestion_pipeline.core.graph import CodeGraph, Relation, TermField, TermMatrix

# Written into the table of nodes; raise the number whenever the folder's layout changes.
LAYOUT = "graph/1"
_LAYOUT_KEY = b"ingestion_pipeline.layout"
_NODES = "nodes.parquet"


def _list_arrays(graph: CodeGraph) -> dict[str, npt.NDArray]:
    arrays: dict[str, npt.NDArray] = {f"edges_{r}": graph.edges[r] for r in Relation}
    for name in TermField:
        matrix = graph.terms[name]
        arrays[f"{name}_offsets"] = matrix.offsets
        arrays[f"{name}_term_ids"] = matrix.term_ids
        arrays[f"{name}_counts"] = matrix.counts
    return arrays


def write_graph(path: Path, graph: CodeGraph) -> None:
    """Write a graph as a folder, whole or not at all.

    Args:
        path: The folder; one there is replaced.
        graph: What ``graph.build_graph`` returned.
    """
    table = pa.Table.from_pandas(graph.nodes, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _LAYOUT_KEY: LAYOUT.encode()}
    with replace_folder(path) as folder:
        pq.write_table(table.replace_schema_metadata(metadata), folder / _NODES, compression="zstd")
        for name, array in _list_arrays(graph).items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _read_nodes(path: Path) -> pd.DataFrame:
    table = pq.read_table(path / _NODES)
    layout = (table.schema.metadata or {}).get(_LAYOUT_KEY, b"").decode()
    if layout != LAYOUT:
        raise ArtifactError(
            path,
            f"has the layout {layout or 'of another program'!r}, this version reads {LAYOUT!r}",
        )
    return table.to_pandas()


def read_graph(path: Path) -> CodeGraph:
    """Read the folder that ``write_graph`` wrote; nothing in it is unpickled.

    Raises:
        ArtifactError: The folder is missing, damaged, or of another version's layout.
    """

    def load(name: str) -> npt.NDArray:
        return np.load(path / f"{name}.npy", allow_pickle=False)

    try:
        return CodeGraph(
            nodes=_read_nodes(path),
            edges={relation: load(f"edges_{relation}") for relation in Relation},
            terms={
                name: TermMatrix(*(load(f"{name}_{p}") for p in ("offsets", "term_ids", "counts")))
                for name in TermField
            },
        )
    except FileNotFoundError as error:
        raise ArtifactError(path, "is not there, or not whole") from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error


def write_vectors(path: Path, vectors: npt.NDArray[np.float32]) -> None:
    """Write (N, D) float32 vectors as ``.npy``, whole or not at all.

    Raises:
        ValueError: Another shape or type, which would mean another thing to the reader.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ValueError(f"Vectors must be (N, D) float32, not {vectors.shape} {vectors.dtype}.")
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)


def read_vectors(path: Path) -> npt.NDArray[np.float32]:
    """Return the (N, D) float32 vectors as a read-only memory map: pages are read when used.

    Raises:
        ArtifactError: The file is missing, damaged, or holds something else.
    """
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ArtifactError(path, "is not there") from None
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ArtifactError(path, f"holds {vectors.shape} {vectors.dtype}, not (N, D) float32")
    return vectors
