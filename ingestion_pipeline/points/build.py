"""The points of one branch out of its graph and vectors."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.graph import CodeGraph, NodeType
from ingestion_pipeline.core.points import IndexStamp, Point, SparseVector, make_point_id
from ingestion_pipeline.core.repositories import HostedRepository

# Bumped when the payload or the hash below changes, so that every point is written again.
POINTS_VERSION = "1"
REPOSITORY_KIND = "repository"


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


@dataclass(frozen=True, slots=True)
class DocumentPoints:
    """One file's points.

    Args:
        document_id: Path.
        content_hash: Blob sha.
        points: The file's own point first, then its symbols.
        hashes: Point id → hash of everything the point says but the volatile facts.
    """

    document_id: str
    content_hash: str
    points: tuple[Point, ...]
    hashes: Mapping[str, str]


def hash_point(
    payload: Mapping[str, Any], dense: npt.NDArray[np.float32], sparse: SparseVector
) -> str:
    """Return 24 hex digits over the stable payload and both vectors.

    Vectors are rounded to 1/1000 first, so that another CPU's last bits do not rewrite an index.
    """
    digest = hashlib.blake2b(digest_size=12)
    digest.update(json.dumps(payload, sort_keys=True, ensure_ascii=True).encode())
    digest.update(np.rint(dense * 1000).astype("<i2").tobytes())
    digest.update(np.asarray(sparse.indices, dtype="<i8").tobytes())
    digest.update(np.rint(np.asarray(sparse.values) * 1000).astype("<i4").tobytes())
    return digest.hexdigest()


def build_document_points(
    graph: CodeGraph,
    vectors: npt.NDArray[np.float32],
    sparse: Sequence[SparseVector],
    context: BranchContext,
) -> Iterator[DocumentPoints]:
    """Yield each file's points, in the order of the graph's files.

    Args:
        graph: The branch's graph.
        vectors: (N, D) float32, rows of unit length.
        sparse: N sparse vectors.
        context: What the points say alike.
    """
    nodes = graph.nodes
    members: dict[int, list[int]] = {}
    for row, file_node in zip(nodes.index, nodes["file"], strict=True):
        if file_node >= 0:
            members.setdefault(int(file_node), []).append(int(row))
    columns = {
        name: nodes[name].tolist()
        for name in (
            "type", "path", "symbol", "kind", "signature", "language", "start_line", "end_line",
            "blob_sha",
        )
    }  # fmt: skip
    for rows in members.values():
        yield _build_document(sorted(rows), columns, vectors, sparse, context)


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


def get_file_vectors(graph: CodeGraph, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the rows of ``vectors`` that belong to files, (F, D)."""
    return vectors[(graph.nodes["type"] == int(NodeType.FILE)).to_numpy()]


def _build_document(
    rows: Sequence[int],
    columns: Mapping[str, Sequence[Any]],
    vectors: npt.NDArray[np.float32],
    sparse: Sequence[SparseVector],
    context: BranchContext,
) -> DocumentPoints:
    points: list[Point] = []
    hashes: dict[str, str] = {}
    common, volatile = context.stable_payload(), context.volatile_payload()
    path, blob_sha = columns["path"][rows[0]], columns["blob_sha"][rows[0]]
    for row in rows:
        symbol = columns["symbol"][row]
        stable = {
            **common,
            "kind": columns["kind"][row],
            "path": path,
            "symbol": symbol,
            "signature": columns["signature"][row],
            "language": columns["language"][row],
            "start_line": int(columns["start_line"][row]),
            "end_line": int(columns["end_line"][row]),
            "blob_sha": blob_sha,
        }
        point_id = make_point_id(context.repository.source, context.branch, path, symbol)
        hashes[point_id] = hash_point(stable, vectors[row], sparse[row])
        dense = tuple(vectors[row].tolist())
        points.append(Point(point_id, dense, sparse[row], {**stable, **volatile}))
    return DocumentPoints(path, blob_sha, tuple(points), hashes)
