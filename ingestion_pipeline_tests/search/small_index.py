"""A small index: words hashed into a few dimensions, so that likeness is shared words."""

from ingestion_pipeline.core.points import (
    CollectionSpec,
    Point,
    SparseVector,
    make_point_id,
)
from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline_tests.fakes.point_store import FakePointStore

COLLECTION = "code_test-1"
SIZE = 64


def encode_text(text: str) -> tuple[float, ...]:
    vector = [0.0] * SIZE
    for term, count in count_terms(split_text(text)).items():
        vector[term % SIZE] += count
    return tuple(vector)


def make_sparse(text: str) -> SparseVector:
    counts = dict(sorted(count_terms(split_text(text)).items()))
    return SparseVector(tuple(counts), tuple(float(count) for count in counts.values()))


def make_point(
    text: str,
    path: str,
    symbol: str = "",
    *,
    repo: str = "o/one",
    branch: str = "main",
    kind: str = "",
    language: str = "python",
    blob_sha: str = "b1",
) -> Point:
    payload = {
        "source": f"github:{repo}",
        "repo": repo,
        "repo_id": 1,
        "branch": branch,
        "path": path,
        "kind": kind or ("function" if symbol else "file"),
        "symbol": symbol,
        "signature": f"def {symbol}()" if symbol else "",
        "language": language,
        "start_line": 3,
        "end_line": 9,
        "blob_sha": blob_sha,
    }
    point_id = make_point_id(SourceId(SourceKind.GITHUB, repo), branch, path, symbol)
    return Point(point_id, encode_text(text), make_sparse(text), payload)


def make_store(*points: Point) -> FakePointStore:
    return FakePointStore([CollectionSpec(COLLECTION, SIZE)], {COLLECTION: points})
