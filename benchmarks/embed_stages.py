"""Where the embed step's time goes, step by step: ``python -m benchmarks.embed_stages CHECKOUT``.

Runs the functions of ``indexing.embed`` in its order over the files of a git work tree, and prints
one JSON object, stage → seconds. The last stage is not part of the step: the import of torch
and PyG, which a trained network will need.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import ingestion_pipeline.definitions  # noqa: F401 - loaded by the time that a run embeds
from ingestion_pipeline.artifacts.records import make_record
from ingestion_pipeline.artifacts.vectors import create_vectors
from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.embed import load_encoder, project_2d, render_code_map
from ingestion_pipeline.embed.torch_runtime import load_spmm
from ingestion_pipeline.graph import build_structure, join_document_terms, make_document_terms
from ingestion_pipeline.indexing.words import get_node_types
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
        parsed = parse_files(_read_files(Path(sys.argv[1])))
        records = {f.path: make_record(f) for f in parsed if isinstance(f, FileFacts)}
        with clocked("graph"):
            build_structure((path, record.structure) for path, record in records.items())
        with clocked("load encoder"):
            encoder = load_encoder("auto")
        with clocked("words"):
            types = np.concatenate([get_node_types(r.structure) for r in records.values()])
            terms = join_document_terms(
                make_document_terms(path, r.structure, r.text) for path, r in records.items()
            )
        with clocked("encode"):
            h = encoder.embed_words(types, terms)
        with clocked("write"):
            vectors = create_vectors(folder / "vectors.npy", len(h), h.shape[1], np.float32)
            encoder.finish(h, out=vectors)
        with clocked("project"):
            dots = project_2d(vectors[types == NodeType.FILE])
        with clocked("import matplotlib"):
            import matplotlib.backends.backend_agg
            import matplotlib.figure  # noqa: F401
        with clocked("draw"):
            render_code_map(dots, ["folder"] * len(dots))
        with clocked("import torch and PyG"):
            load_spmm()
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
