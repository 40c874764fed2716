"""The points of one branch out of its files' records and vectors."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.points import IndexStamp, Point, SparseVector, make_point_id
from ingestion_pipeline.core.records import FileRecord
from ingestion_pipeline.core.repositories import HostedRepository

# Bumped when the payload or the hash below changes, so that every point is written again.
POINTS_VERSION = "2"
REPOSITORY_KIND = "repository"
FILE_KIND = "file"


@dataclass(frozen=True, slots=True)
class BranchContext:
    """What all points of one branch say alike.

    Args:
        repository: As the host describes it now.
        branch: Branch name.
        stamp: The volatile facts of this sync.
        encoder_version: Stamped on every point.
        parser_version: Stamped on every point.
    """

    repository: HostedRepository
    branch: str
    stamp: IndexStamp
    encoder_version: str
    parser_version: str

    def volatile_payload(self) -> dict[str, Any]:
        """Facts that change with every sync and never enter a hash."""
        return {
            "commit_sha": self.stamp.commit_sha,
            "last_pushed_at": self.stamp.pushed_at,
            "last_indexed_at": format_utc(self.stamp.indexed_at),
        }

    def stable_payload(self) -> dict[str, Any]:
        """Facts that identify the branch and the pipeline."""
        source = self.repository.source
        return {
            "source": str(source),
            "repo": self.repository.full_name,
            "repo_id": int(source.stable_id),
            "branch": self.branch,
            "encoder_version": self.encoder_version,
            "parser_version": self.parser_version,
        }

    def digest(self) -> str:
        """Return 16 hex digits over what every point says alike, and over the points' version.

        A document indexed under another digest is written again though its content is the same.
        """
        facts = msgspec.json.encode([POINTS_VERSION, self.stable_payload()], order="sorted")
        return hashlib.blake2b(facts, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class DocumentPoints:
    """One file's points.

    Args:
        document_id: Path.
        content_hash: Blob sha.
        points: The file's own point first, then its symbols; none for a file without facts.
        hashes: Point id → hash of everything the point says but vectors and volatile facts.
        context: What they depend on besides the content, as ``DocumentState.context``.
        error: Why there are no points, "" when there are.
    """

    document_id: str
    content_hash: str
    points: tuple[Point, ...]
    hashes: Mapping[str, str]
    context: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class MovedPoints:
    """Those points of an unchanged file whose vectors its neighbours moved.

    Args:
        document_id: Path.
        points: The file says the same as before; so do its other points.
    """

    document_id: str
    points: tuple[Point, ...]


def hash_point(payload: Mapping[str, Any], sparse: SparseVector) -> str:
    """Return 24 hex digits over the stable payload and the words.

    The dense vector is compared by its angle instead, see ``drift``. Values are rounded to 1/1000
    first, so that another CPU's last bits do not rewrite an index.
    """
    digest = hashlib.blake2b(digest_size=12)
    digest.update(msgspec.json.encode(payload, order="sorted"))
    digest.update(np.asarray(sparse.indices, dtype="<i8").tobytes())
    digest.update(np.rint(np.asarray(sparse.values) * 1000).astype("<i4").tobytes())
    return digest.hexdigest()


def build_document(
    path: str,
    blob_sha: str,
    record: FileRecord,
    vectors: npt.NDArray[np.float32],
    sparse: Sequence[SparseVector],
    context: BranchContext,
    document_context: str = "",
) -> DocumentPoints:
    """Return the points of one file.

    Args:
        path: Repository path.
        blob_sha: Git object id.
        record: What the file says.
        vectors: (1 + S, D) float32, rows of unit length: the file, then its symbols.
        sparse: 1 + S sparse vectors, likewise.
        context: What the points say alike.
        document_context: What they depend on besides the content, for the state.
    """
    points: list[Point] = []
    hashes: dict[str, str] = {}
    rows = range(len(sparse))
    for point, stable in _build_points(path, blob_sha, record, rows, vectors, sparse, context):
        points.append(point)
        hashes[point.id] = hash_point(stable, point.sparse)
    return DocumentPoints(path, blob_sha, tuple(points), hashes, document_context)


def build_moved_points(
    path: str,
    blob_sha: str,
    record: FileRecord,
    rows: Iterable[int],
    vectors: npt.NDArray[np.float32],
    sparse: Sequence[SparseVector],
    context: BranchContext,
) -> MovedPoints:
    """Return some of the points of one file; as ``build_document``, but only those rows."""
    built = _build_points(path, blob_sha, record, rows, vectors, sparse, context)
    return MovedPoints(path, tuple(point for point, _ in built))


def _build_points(
    path: str,
    blob_sha: str,
    record: FileRecord,
    rows: Iterable[int],
    vectors: npt.NDArray[np.float32],
    sparse: Sequence[SparseVector],
    context: BranchContext,
) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Yield the points of those rows, each with the stable part of its payload."""
    common, volatile = context.stable_payload(), context.volatile_payload()
    source, branch = context.repository.source, context.branch
    members = list(_describe_members(record))
    for row in rows:
        facts = members[row]
        stable = {
            **common,
            **facts,
            "path": path,
            "language": record.structure.language,
            "blob_sha": blob_sha,
        }
        point_id = make_point_id(source, branch, path, facts["symbol"])
        dense = tuple(vectors[row].tolist())
        yield Point(point_id, dense, sparse[row], {**stable, **volatile}), stable


def _describe_members(record: FileRecord) -> Iterator[dict[str, Any]]:
    """Yield what tells the file's point and its symbols' points apart."""
    structure, text = record.structure, record.text
    yield {
        "kind": FILE_KIND,
        "symbol": "",
        "signature": "",
        "start_line": 1,
        "end_line": structure.line_count,
    }
    columns = (structure.kinds, text.keys, text.signatures, text.start_lines, text.end_lines)
    for kind, key, signature, start, end in zip(*columns, strict=True):
        yield {
            "kind": str(kind),
            "symbol": key,
            "signature": signature,
            "start_line": int(start),
            "end_line": int(end),
        }


def build_repository_point(
    file_vectors: npt.NDArray[np.float32], words: SparseVector, context: BranchContext
) -> Point:
    """Return the branch's own point: the mean of its files, normalised.

    Args:
        file_vectors: (F, D) float32, F ≥ 1; for a branch without files, the vector of its name.
        words: Sparse vector of the repository's name.
        context: What the points say alike.
    """
    mean = file_vectors.mean(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(mean))
    unit = mean / norm if norm > 1e-9 else file_vectors[0].astype(np.float64)
    payload = {
        **context.stable_payload(),
        "kind": REPOSITORY_KIND,
        "path": "",
        "symbol": "",
        "signature": context.repository.full_name,
        "language": "",
        "start_line": 0,
        "end_line": 0,
        "blob_sha": "",
        **context.volatile_payload(),
    }
    return Point(make_repository_point_id(context), tuple(float(x) for x in unit), words, payload)


def make_repository_point_id(context: BranchContext) -> str:
    """Return the id of the branch's own point."""
    return make_point_id(context.repository.source, context.branch, "")
