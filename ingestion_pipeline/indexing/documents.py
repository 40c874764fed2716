"""The points of a branch's files out of the run's work folder."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.records_file import RecordsReader
from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.records import FileRecord
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.embed.sparse import SparseVectors, make_sparse_vectors_of
from ingestion_pipeline.graph import join_document_terms, make_document_terms
from ingestion_pipeline.indexing.graph_vectors import GraphVectors
from ingestion_pipeline.indexing.layout import VectorLayout
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.words import get_node_types
from ingestion_pipeline.points.build import (
    BranchContext,
    DocumentPoints,
    MovedPoints,
    build_document,
    build_moved_points,
)
from ingestion_pipeline.points.drift import find_kept, unpack

# Files whose points are built together.
_BATCH_FILES = 100


@dataclass(frozen=True, slots=True)
class _Member:
    path: str
    blob_sha: str
    record: FileRecord
    dense: npt.NDArray[np.float32]
    sparse: SparseVectors


@dataclass(frozen=True, slots=True)
class DocumentBuilder:
    """Builds the points of one branch's files, a few at a time.

    Args:
        reader: Their records.
        layout: Which rows of the vectors are whose.
        vectors: Of all nodes.
        context: What all points say alike.
        document_context: What they depend on besides the content, for the state.
    """

    reader: RecordsReader
    layout: VectorLayout
    vectors: GraphVectors
    context: BranchContext
    document_context: str

    def build(self, wanted: Collection[str], progress: Progress) -> Iterator[DocumentPoints]:
        """Yield the documents of those paths that have a record."""
        for member in self._read(wanted, progress):
            yield build_document(
                *(member.path, member.blob_sha, member.record, member.dense, member.sparse),
                *(self.context, self.document_context),
            )

    def build_moved(
        self, moved: Mapping[str, Sequence[int]], progress: Progress
    ) -> Iterator[MovedPoints]:
        """Yield those rows' points of unchanged files, as ``find_drifted`` tells of them."""
        for member in self._read(moved, progress):
            yield build_moved_points(
                *(member.path, member.blob_sha, member.record, moved[member.path]),
                *(member.dense, member.sparse, self.context),
            )

    def _read(self, wanted: Collection[str], progress: Progress) -> Iterator[_Member]:
        entries = self.reader.entries
        chosen = ((f, p) for f, p in self.layout if entries[p][0] in wanted)
        for some in batched(chosen, _BATCH_FILES):
            records = [
                FileRecord(self.reader.read_structure(place), self.reader.read_text(place))
                for _, place in some
            ]
            sparse = _make_sparse([entries[place][0] for _, place in some], records)
            dense = self._take([file for file, _ in some])
            start = 0
            for (file, place), record in zip(some, records, strict=True):
                stop = start + len(self.layout.rows_of(file))
                progress.advance(entries[place][0])
                yield _Member(*entries[place], record, dense[start:stop], sparse.take(start, stop))
                start = stop

    def build_skipped(
        self,
        skipped: Mapping[str, tuple[str, str]],
        wanted: Collection[str],
        progress: Progress,
    ) -> Iterator[DocumentPoints]:
        """Yield a document without points for each file without a record, which says why."""
        for path, (blob_sha, reason) in skipped.items():
            if path in wanted:
                progress.advance(path)
                yield DocumentPoints(path, blob_sha, (), {}, self.document_context, reason)

    def find_drifted(
        self, stored: Iterable[tuple[str, bytes]], known: Collection[str]
    ) -> dict[str, list[int] | None]:
        """Return unchanged files of which a vector was moved by its neighbours.

        Args:
            stored: Path and ``DocumentState.vectors`` of what the store holds.
            known: Paths that are written anyway.

        Returns:
            Path → which of the file and its symbols moved, None where what the store holds is not
            known.
        """
        files = {self.reader.entries[place][0]: file for file, place in self.layout}
        compared = ((p, vectors) for p, vectors in stored if p in files and p not in known)
        drifted: dict[str, list[int] | None] = {}
        for some in batched(compared, _BATCH_FILES):
            vectors = self._take([files[path] for path, _ in some])
            start = 0
            for path, packed in some:
                stop = start + len(self.layout.rows_of(files[path]))
                old = unpack(packed, stop - start, ENCODER_DIM)
                if old is None:
                    drifted[path] = None
                elif len(moved := np.flatnonzero(~find_kept(old, vectors[start:stop]))):
                    drifted[path] = moved.tolist()
                start = stop
        return drifted

    def _take(self, files: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the vectors of files and their symbols, one file after another."""
        vectors = self.vectors.take(np.concatenate([self.layout.rows_of(f) for f in files]))
        self.vectors.release_pages()
        return vectors


def _make_sparse(paths: Sequence[str], records: Sequence[FileRecord]) -> SparseVectors:
    """Return the words of files and their symbols, one file after another."""
    terms = [
        make_document_terms(path, record.structure, record.text)
        for path, record in zip(paths, records, strict=True)
    ]
    types = np.concatenate([get_node_types(record.structure) for record in records])
    return make_sparse_vectors_of(types, join_document_terms(terms))
