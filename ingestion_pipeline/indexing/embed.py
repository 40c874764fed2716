"""Step 3: the code graph of every changed branch, and a vector for every node."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.facts import read_facts
from ingestion_pipeline.artifacts.graphs import write_graph, write_vectors
from ingestion_pipeline.core.graph import CodeGraph, NodeType
from ingestion_pipeline.embed import encode_graph
from ingestion_pipeline.embed.codemap import project_2d, render_code_map
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline.indexing.handles import EmbeddedRepository, ParsedRepository

if TYPE_CHECKING:
    from ingestion_pipeline.embed.encoder import Encoder

_DOMINANT_SHARE = 0.6


def embed_repository(
    parsed: ParsedRepository, load_encoder: Callable[[], "Encoder"]
) -> EmbeddedRepository:
    """Build and encode the graph of every changed branch.

    Args:
        parsed: What the parse step found.
        load_encoder: Called once, and not at all when nothing changed (it imports torch).
    """
    begin = time.perf_counter()
    nodes, edges = 0, Counter[str]()
    map_path: Path | None = None
    for branch in parsed.cloned.changed_branches:
        graph = build_graph(read_facts(branch.facts_path))
        vectors = encode_graph(load_encoder(), graph)
        write_graph(branch.graph_path, graph)
        write_vectors(branch.vectors_path, vectors)
        nodes += graph.node_count
        edges.update({relation.value: pairs.shape[1] for relation, pairs in graph.edges.items()})
        if map_path is None:
            map_path = _write_code_map(parsed.cloned.work_folder / "code_map.png", graph, vectors)
    return EmbeddedRepository(parsed, nodes, dict(edges), map_path, time.perf_counter() - begin)


def _write_code_map(path: Path, graph: CodeGraph, vectors: npt.NDArray[np.float32]) -> Path | None:
    files = (graph.nodes["type"] == int(NodeType.FILE)).to_numpy()
    if files.sum() < 3:
        return None  # two dots are no map
    folders = choose_folders(graph.nodes.loc[files, "path"].tolist())
    path.write_bytes(render_code_map(project_2d(vectors[files]), folders))
    return path


def choose_folders(paths: Sequence[str]) -> list[str]:
    """Return the folder that colours each file, at the depth that tells the files apart.

    Most projects keep nearly everything below one folder; its own folders then say more.

    Args:
        paths: Repository paths of files.

    Returns:
        A folder a path, in order, "" for the root.
    """
    parents = [path.split("/")[:-1] for path in paths]
    depth, folders = 1, ["/".join(parts[:1]) for parts in parents]
    while True:
        [(_, largest)] = Counter(folders).most_common(1)
        deeper = ["/".join(parts[: depth + 1]) for parts in parents]
        if largest <= len(paths) * _DOMINANT_SHARE or deeper == folders:
            return folders
        depth, folders = depth + 1, deeper
