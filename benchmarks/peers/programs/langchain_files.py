"""LangChain's indexing API over a folder: ``index(…, cleanup=…)`` with a SQL record manager.

The mode of clean-up is the environment's ``CLEANUP``; ``CACHE=1`` puts ``CacheBackedEmbeddings`` in
front of the embedder, as LangChain's page on caching shows it.
"""
# pyright: reportMissingImports=false

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.indexes import SQLRecordManager, index
from langchain_classic.storage import LocalFileStore
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
from peer_program import CHUNK_CHARS, COLLECTION, DIMENSIONS, Journal, Task, list_files, run
from qdrant_client import models

_LANGUAGES = {
    ".c": Language.C, ".cc": Language.CPP, ".cpp": Language.CPP, ".cuh": Language.CPP,
    ".h": Language.CPP, ".hpp": Language.CPP, ".js": Language.JS, ".md": Language.MARKDOWN,
    ".py": Language.PYTHON, ".pyi": Language.PYTHON, ".rb": Language.RUBY, ".ts": Language.TS,
}  # fmt: skip


class _Counting(Embeddings):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._journal.embed(texts)

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError("Nothing is searched here.")


def _load_chunks(folder: Path) -> Iterator[Document]:
    for file in list_files(folder):
        options = {"chunk_size": CHUNK_CHARS, "chunk_overlap": 0}
        language = _LANGUAGES.get(file.suffix)
        splitter = (
            RecursiveCharacterTextSplitter.from_language(language, **options)
            if language
            else RecursiveCharacterTextSplitter(**options)
        )
        document = Document(file.read_text(), metadata={"source": str(file.relative_to(folder))})
        yield from splitter.split_documents([document])


def _sync(task: Task) -> None:
    client = task.open_store()
    if not client.collection_exists(COLLECTION):
        shape = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
        client.create_collection(COLLECTION, vectors_config=shape)
    embedder: Embeddings = _Counting(task.journal)
    if os.environ.get("CACHE"):
        cache = LocalFileStore(task.state / "embeddings")
        embedder = CacheBackedEmbeddings.from_bytes_store(
            embedder, cache, namespace="counting", key_encoder="blake2b"
        )
    store = QdrantVectorStore(
        client, COLLECTION, embedding=embedder, validate_collection_config=False
    )
    records = SQLRecordManager("qdrant/code", db_url=f"sqlite:///{task.state / 'records.db'}")
    records.create_schema()
    index(
        _load_chunks(task.folder),
        records,
        store,
        cleanup=os.environ["CLEANUP"],
        source_id_key="source",
    )
    client.close()


def _read_point(payload: dict[str, Any]) -> list[str]:
    return [payload["metadata"]["source"], payload["page_content"]]


if __name__ == "__main__":
    run(_sync, _read_point)
