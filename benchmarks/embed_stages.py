"""Where the embed step's time goes, step by step: ``python -m benchmarks.embed_stages CHECKOUT``.

Runs the functions of ``indexing.embed`` in its order over the files of a git work tree, and prints
one JSON object, stage → seconds. The last stage is not part of the step: PyG's import, which a
trained network will need.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ingestion_pipeline.definitions  # noqa: F401 - loaded by the time that a run embeds
from ingestion_pipeline.artifacts.facts import read_facts, write_facts
from ingestion_pipeline.artifacts.graphs import write_graph, write_vectors
from ingestion_pipeline.core.code import SourceFile
from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.embed import encode_graph, load_encoder, project_2d, render_code_map
from ingestion_pipeline.embed.torch_runtime import make_mean_convolution
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline.parse.files import parse_files


def main() -> None:
    """Measure over the work tree in ``argv[1]``."""
    spent: dict[str, float] = {}

    @contextmanager
    def clocked(stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        spent[stage] = time.perf_counter() - begin

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_facts(folder / "facts", parse_files(_read_files(Path(sys.argv[1]))))
        with clocked("graph"):
            graph = build_graph(read_facts(folder / "facts"))
        with clocked("import torch"):
            import torch  # noqa: F401
        with clocked("load encoder"):
            encoder = load_encoder("auto")
        with clocked("encode"):
            vectors = encode_graph(encoder, graph)
        with clocked("write"):
            write_graph(folder / "graph", graph)
            write_vectors(folder / "vectors.npy", vectors)
        files = (graph.nodes["type"] == int(NodeType.FILE)).to_numpy()
        with clocked("project"):
            dots = project_2d(vectors[files])
        with clocked("import matplotlib"):
            import matplotlib.backends.backend_agg
            import matplotlib.figure  # noqa: F401
        with clocked("draw"):
            render_code_map(dots, ["folder"] * len(dots))
        with clocked("import PyG"):
            make_mean_convolution()
    print(json.dumps(spent))


def _read_files(checkout: Path) -> Iterator[SourceFile]:
    listed = subprocess.run(
        ["git", "-C", checkout, "ls-files", "-z"], capture_output=True, check=True
    )
    for name in listed.stdout.decode().split("\0"):
        path = checkout / name
        if name and path.is_file() and not path.is_symlink():
            yield SourceFile(name, "", path.read_bytes())


if __name__ == "__main__":
    main()
