"""CocoIndex v1 over a folder: a component per file, memoized, points declared as target states.

As its examples for code and for Qdrant show it; its own state is an LMDB file in the state folder.
"""
# pyright: reportMissingImports=false

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocoindex as coco
import numpy as np
from cocoindex.connectors import localfs, qdrant
from cocoindex.ops.text import RecursiveSplitter, detect_code_language
from cocoindex.resources.chunk import Chunk
from cocoindex.resources.file import FileLike
from cocoindex.resources.id import IdGenerator
from cocoindex.resources.schema import VectorSchema
from numpy.typing import NDArray
from peer_program import CHUNK_CHARS, COLLECTION, DIMENSIONS, Journal, Task, run
from qdrant_client import QdrantClient

_STORE = coco.ContextKey[QdrantClient]("store")
_splitter = RecursiveSplitter()
_journals: list[Journal] = []


@coco.fn(memo=True, version=1, logic_tracking="self")
async def _embed(text: str) -> NDArray[np.float32]:
    return np.array(_journals[0].embed([text])[0], dtype=np.float32)


@coco.fn
async def _declare_chunk(
    chunk: Chunk, path: str, ids: IdGenerator, target: qdrant.CollectionTarget
) -> None:
    vector = await _embed(chunk.text)
    target.declare_point(
        qdrant.PointStruct(
            id=await ids.next_id(chunk.text),
            vector=vector.tolist(),
            payload={"path": path, "text": chunk.text},
        )
    )


@coco.fn(memo=True)
async def _process_file(file: FileLike, folder: str, target: qdrant.CollectionTarget) -> None:
    path = file.file_path.path
    chunks = _splitter.split(
        await file.read_text(),
        chunk_size=CHUNK_CHARS,
        chunk_overlap=0,
        language=detect_code_language(filename=path.name),
    )
    name = Path(path).relative_to(folder).as_posix()
    await coco.map(_declare_chunk, chunks, name, IdGenerator(), target)


@coco.fn
async def _main(folder: Path) -> None:
    schema = VectorSchema(dtype=np.dtype(np.float32), size=DIMENSIONS)
    target = await qdrant.mount_collection_target(
        _STORE,
        COLLECTION,
        await qdrant.CollectionSchema.create(vectors=qdrant.QdrantVectorDef(schema=schema)),
    )
    files = localfs.walk_dir(folder, recursive=True)
    await coco.mount_each(_process_file, files.items(), str(folder), target)


def _sync(task: Task) -> None:
    store = task.open_store()
    _journals.append(task.journal)

    @coco.lifespan
    def lifespan(builder: coco.EnvironmentBuilder) -> Iterator[None]:
        builder.settings.db_path = task.state / "cocoindex.db"
        builder.provide(_STORE, store)
        yield

    app = coco.App(coco.AppConfig(name="Files"), _main, folder=task.folder)
    app.update_blocking()
    store.close()


def _read_point(payload: dict[str, Any]) -> list[str]:
    return [payload["path"], payload["text"]]


if __name__ == "__main__":
    run(_sync, _read_point)
