"""LlamaIndex's ``IngestionPipeline`` over a folder: document store, cache and vector store.

``upserts_and_delete``, document ids from file names, and ``persist`` after the run, as its page on
the document management of a pipeline shows it.
"""
# pyright: reportMissingImports=false

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from llama_index.core import SimpleDirectoryReader
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import CodeSplitter, SentenceSplitter
from llama_index.core.schema import BaseNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from peer_program import CHUNK_CHARS, COLLECTION, Journal, Task, run
from pydantic import PrivateAttr

_LANGUAGES = {
    ".c": "c", ".cc": "cpp", ".cpp": "cpp", ".cuh": "cpp", ".h": "cpp", ".hpp": "cpp",
    ".js": "javascript", ".md": "markdown", ".py": "python", ".pyi": "python", ".rb": "ruby",
    ".sh": "bash", ".ts": "typescript",
}  # fmt: skip


class _Counting(BaseEmbedding):
    _journal: Journal = PrivateAttr()

    def __init__(self, journal: Journal) -> None:
        super().__init__(model_name="counting", embed_batch_size=100)
        self._journal = journal

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._journal.embed([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._journal.embed(texts)

    def _get_query_embedding(self, query: str) -> list[float]:
        raise NotImplementedError("Nothing is searched here.")

    async def _aget_query_embedding(self, query: str) -> list[float]:
        raise NotImplementedError("Nothing is searched here.")


class _SplitByLanguage(TransformComponent):
    """``CodeSplitter`` for the languages that it has a grammar for, else sentences."""

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> list[BaseNode]:
        found: list[BaseNode] = []
        for node in nodes:
            language = _LANGUAGES.get(Path(str(node.metadata["file_path"])).suffix)
            found += _split(node, language)
        return found


def _split(node: BaseNode, language: str | None) -> Sequence[BaseNode]:
    if language is not None:
        try:
            return _get_code_splitter(language)([node])
        except ValueError:  # it refuses a file that does not begin well
            pass
    return _get_sentence_splitter()([node])


@cache
def _get_code_splitter(language: str) -> CodeSplitter:
    return CodeSplitter(language=language, max_chars=CHUNK_CHARS, tokenizer=str.split)


@cache
def _get_sentence_splitter() -> SentenceSplitter:
    return SentenceSplitter(chunk_size=CHUNK_CHARS // 4, chunk_overlap=0, tokenizer=str.split)


def _sync(task: Task) -> None:
    client, kept = task.open_store(), task.state / "pipeline"
    pipeline = IngestionPipeline(
        transformations=[_SplitByLanguage(), _Counting(task.journal)],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        vector_store=QdrantVectorStore(COLLECTION, client=client),
    )
    if kept.exists():
        pipeline.load(str(kept))
    reader = SimpleDirectoryReader(str(task.folder), recursive=True, filename_as_id=True)
    pipeline.run(documents=reader.load_data())
    pipeline.persist(str(kept))
    client.close()


def _read_point(payload: dict[str, Any]) -> list[str]:
    return [payload["file_path"], json.loads(payload["_node_content"])["text"]]


if __name__ == "__main__":
    run(_sync, _read_point)
