"""Vectors of files' and symbols' own words: known ones reused, the others computed.

A file that changed keeps the vectors of those of its symbols whose words stayed the same, and so
does one that moved within its folder's name: what is computed is what nobody has embedded before.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.records_file import RecordsReader
from ingestion_pipeline.artifacts.vectors import release_pages
from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.code import SymbolKind
from ingestion_pipeline.core.graph import GraphStructure, NodeType, TermField
from ingestion_pipeline.core.records import FileStructure, TermRows
from ingestion_pipeline.graph import (
    join_document_terms,
    make_directory_terms,
    make_document_terms,
)
from ingestion_pipeline.indexing.changes import BranchChanges, Predecessor
from ingestion_pipeline.indexing.layout import VectorLayout
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.record_cache import RecordCache, VectorCache, make_record_key

if TYPE_CHECKING:
    from ingestion_pipeline.embed.encoder import Encoder

# Files of one question to the cache: some 30 nodes of 512 bytes each.
_BATCH_FILES = 200

Half = npt.NDArray[np.float16]


@dataclass(slots=True)
class _Job:
    """A file of which some vectors have to be computed.

    Args:
        path, blob_sha: Which.
        rows: (1 + S,) rows of the branch's array.
        types: (1 + S,) node types.
        terms: Words of each node.
        wanted: (W,) which of the nodes nobody has embedded before.
    """

    path: str
    blob_sha: str
    rows: npt.NDArray[np.int64]
    types: npt.NDArray[np.int8]
    terms: Mapping[TermField, TermRows]
    wanted: npt.NDArray[np.int64]


class WordEmbedder:
    """Fills in the word vectors of one branch.

    Args:
        encoder: Computes what is not known.
        reader: The branch's records.
        records: What changed files said before.
        vectors: What is known.
        progress: Told of every file.
    """

    def __init__(
        self,
        encoder: "Encoder",
        reader: RecordsReader,
        records: RecordCache,
        vectors: VectorCache,
        progress: Progress,
    ) -> None:
        self._encoder = encoder
        self._reader = reader
        self._records = records
        self._vectors = vectors
        self._progress = progress
        self.points_embedded = 0

    def fill(
        self, h: Half, layout: VectorLayout, changes: BranchChanges, *, anew: bool = False
    ) -> None:
        """Write the rows of all files and symbols.

        Args:
            h: (N, D) float16, written in place.
            layout: Which rows are whose.
            changes: Tells what a changed file was before.
            anew: Compute every vector, whatever is known.
        """
        for some in batched(layout, _BATCH_FILES):
            named = [(file, place, *self._reader.entries[place]) for file, place in some]
            known = {} if anew else self._vectors.get_many([(p, sha) for _, _, p, sha in named])
            jobs: list[_Job] = []
            for file, place, path, blob_sha in named:
                rows, stored = layout.rows_of(file), known.get((path, blob_sha))
                self._progress.advance(path)
                if stored is not None and len(stored) == len(rows):
                    h[rows] = stored
                else:
                    before = None if anew else changes.predecessors.get(path)
                    jobs.append(self._prepare(h, rows, place, before))
            self._compute(h, jobs)
            release_pages(h)

    def fill_directories(self, h: Half, structure: GraphStructure) -> None:
        """Write the rows of the directories, which pass messages and have no points."""
        terms = join_document_terms([make_directory_terms(structure.directories)])
        start = structure.first_symbols[-1]
        h[start:] = self._encoder.embed_words(structure.types[start:], terms)

    def _prepare(
        self, h: Half, rows: npt.NDArray[np.int64], place: int, before: Predecessor | None
    ) -> _Job:
        """Copy what the file's predecessor has in common with it; the rest is the job."""
        path, blob_sha = self._reader.entries[place]
        structure = self._reader.read_structure(place)
        terms = make_document_terms(path, structure, self._reader.read_text(place))
        types = get_node_types(structure)
        wanted = np.arange(len(rows))
        if before is not None and (earlier := self._read_earlier(before)):
            digests = digest_nodes(types, terms)
            found = [earlier.get(digest) for digest in digests]
            for row, vector in zip(rows, found, strict=True):
                if vector is not None:
                    h[row] = vector
            wanted = np.array([i for i, vector in enumerate(found) if vector is None], np.int64)
        return _Job(path, blob_sha, rows, types, terms, wanted)

    def _read_earlier(self, before: Predecessor) -> dict[bytes, Half]:
        """Return digest → vector of the nodes of an earlier file, empty where it is not known."""
        record = self._records.read(make_record_key(before.path, before.blob_sha))
        known = self._vectors.get_many([(before.path, before.blob_sha)])
        if record is None or not known:
            return {}
        [vectors] = known.values()
        types = get_node_types(record.structure)
        if len(vectors) != len(types):
            return {}
        terms = make_document_terms(before.path, record.structure, record.text)
        return dict(zip(digest_nodes(types, terms), vectors, strict=True))

    def _compute(self, h: Half, jobs: Sequence[_Job]) -> None:
        if not jobs:
            return
        parts = [
            {field: take_rows(terms, job.wanted) for field, terms in job.terms.items()}
            for job in jobs
        ]
        types = np.concatenate([job.types[job.wanted] for job in jobs])
        if len(types):
            computed = self._encoder.embed_words(types, join_document_terms(parts))
            h[np.concatenate([job.rows[job.wanted] for job in jobs])] = computed
            self.points_embedded += len(types)
        self._vectors.put_many([(job.path, job.blob_sha, h[job.rows]) for job in jobs])


def get_node_types(structure: FileStructure) -> npt.NDArray[np.int8]:
    """Return (1 + S,) node types of a file and its symbols."""
    symbols = [
        NodeType.CLASS if kind == SymbolKind.CLASS else NodeType.FUNCTION
        for kind in structure.kinds
    ]
    return np.array([NodeType.FILE, *symbols], np.int8)


def take_rows(terms: TermRows, rows: npt.NDArray[np.int64]) -> TermRows:
    """Return some of the rows, in the order asked for."""
    if len(rows) == len(terms.lengths):
        return terms
    starts = np.cumsum(terms.lengths) - terms.lengths
    spans = [np.arange(int(starts[row]), int(starts[row] + terms.lengths[row])) for row in rows]
    places = np.concatenate([np.zeros(0, np.int64), *spans])
    return TermRows(terms.lengths[rows], terms.term_ids[places], terms.counts[places])


def digest_nodes(types: npt.NDArray[np.int8], terms: Mapping[TermField, TermRows]) -> list[bytes]:
    """Return for every node 16 bytes over all that its word vector depends on."""
    digests = [hashlib.blake2b(bytes([node_type]), digest_size=16) for node_type in types]
    for field in TermField:
        rows = terms[field]
        stops = np.cumsum(rows.lengths)
        for digest, start, stop in zip(digests, stops - rows.lengths, stops, strict=True):
            digest.update(field.value.encode())
            digest.update(rows.term_ids[start:stop].tobytes())
            digest.update(rows.counts[start:stop].tobytes())
    return [digest.digest() for digest in digests]
