"""An index of 20,000 points out of real code, and queries in its own words."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.records import make_record
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.core.points import IndexStamp, Point
from ingestion_pipeline.core.repositories import HostedRepository, SourceId, SourceKind
from ingestion_pipeline.core.terms import split_text
from ingestion_pipeline.embed import make_sparse_vectors_of
from ingestion_pipeline.graph import join_document_terms, make_document_terms
from ingestion_pipeline.indexing.words import get_node_types
from ingestion_pipeline.parse.files import parse_files
from ingestion_pipeline.points.build import BranchContext, build_document

# Installed wherever this project is, and together more than 20,000 points.
PACKAGES = ("sqlalchemy", "dagster")
_BATCH_POINTS = 1000


@dataclass(frozen=True)
class Query:
    """One search, with its vectors made beforehand."""

    words: str
    dense: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Index:
    """What was written.

    Args:
        matrix: (N, D) float32, the dense vectors of all points.
        ids: Their ids, in the same order.
        words_per_point: Median number of distinct words of a point.
    """

    matrix: npt.NDArray[np.float32]
    ids: list[str]
    signatures: list[str]
    words_per_point: int


def build_index(services: Services, count: int) -> Index:
    """Parse, embed and upsert installed packages until there are ``count`` points."""
    spec = services.collection
    services.store.ensure_collection(spec)
    points = list(islice(_make_points(services, count), count))
    for start in range(0, len(points), _BATCH_POINTS):
        services.store.upsert(spec.name, points[start : start + _BATCH_POINTS])
    matrix = np.array([point.dense for point in points], np.float32)
    signatures = [str(point.payload["signature"]) for point in points]
    words = int(np.median([len(point.sparse.indices) for point in points]))
    return Index(matrix, [point.id for point in points], signatures, words)


def make_queries(services: Services, index: Index, count: int) -> list[Query]:
    """Return queries of one to four words, out of the signatures of random symbols."""
    draw = random.Random(1)
    queries: list[Query] = []
    named = [text for text in index.signatures if len(split_text(text)) >= 4]
    while len(queries) < count:
        terms = sorted(set(split_text(draw.choice(named))))
        words = " ".join(draw.sample(terms, min(len(terms), draw.randint(1, 4))))
        if split_text(words):
            dense = np.asarray(services.encoder.encode_text(words), np.float32)
            queries.append(Query(words, dense))
    return queries


def _make_points(services: Services, count: int) -> Iterator[Point]:
    for number, package in enumerate(PACKAGES):
        context = _make_context(package, number)
        for facts in parse_files(islice(_read_package(package), count // 4)):
            if isinstance(facts, FileFacts):
                yield from _make_document_points(services, facts, context)


def _make_document_points(
    services: Services, facts: FileFacts, context: BranchContext
) -> tuple[Point, ...]:
    record = make_record(facts)
    types = get_node_types(record.structure)
    words = make_document_terms(facts.path, record.structure, record.text)
    terms = join_document_terms([words])
    vectors = services.encoder.finish(services.encoder.embed_words(types, terms))
    sparse = make_sparse_vectors_of(types, terms)
    return build_document(facts.path, "", record, vectors, sparse, context).points


def _read_package(package: str) -> Iterator[SourceFile]:
    spec = find_spec(package)
    assert spec is not None, package
    assert spec.origin is not None, package
    root = Path(spec.origin).parent
    for path in sorted(root.rglob("*.py")):
        yield SourceFile(f"{package}/{path.relative_to(root).as_posix()}", "", path.read_bytes())


def _make_context(package: str, number: int) -> BranchContext:
    source = SourceId(SourceKind.GITHUB, str(number + 1))
    name = f"{package}/{package}"
    hosted = HostedRepository(source, "", name, "", "", "main", None)
    stamp = IndexStamp("0" * 40, "", datetime.now(UTC))
    return BranchContext(hosted, "main", stamp, "benchmark", "benchmark")
