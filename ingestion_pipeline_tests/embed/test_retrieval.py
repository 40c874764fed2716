"""Does a docstring find its own function? On the standard library, docstrings left out."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.core.graph import CodeGraph, NodeType, TermField
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.embed import Encoder, encode_graph, make_query_sparse, make_sparse_vectors
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline.parse.files import parse_files

Scores = npt.NDArray[np.float64]
PACKAGES = ("email", "http", "json", "logging")
FIELDS = (TermField.NAME, TermField.BODY, TermField.PATH)


def read_package(name: str) -> list[SourceFile]:
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations)))
    return [
        SourceFile(f"{name}/{path.relative_to(folder).as_posix()}", "", path.read_bytes())
        for path in sorted(folder.rglob("*.py"))
        if "test" not in path.relative_to(folder).parts
    ]


def drop_docs(graph: CodeGraph) -> CodeGraph:
    empty = build_graph([]).terms[TermField.DOC]
    nothing = type(empty)(np.zeros(graph.node_count + 1, np.int64), empty.term_ids, empty.counts)
    return CodeGraph(graph.nodes, graph.edges, {**graph.terms, TermField.DOC: nothing})


class Task:
    """Functions to find, and for each query which one is right."""

    def __init__(self, graph: CodeGraph) -> None:
        self.graph = graph
        self.functions = np.flatnonzero(graph.nodes["type"] == NodeType.FUNCTION)
        docs = graph.nodes["docstring"].tolist()
        first = {i: re.split(r"\n\s*\n", docs[i])[0] for i in self.functions.tolist()}
        count = Counter(first.values())
        place = {node: index for index, node in enumerate(self.functions.tolist())}
        chosen = [
            (text, place[node])
            for node, text in first.items()
            if count[text] == 1 and len(set(split_text(text))) >= 3
        ]
        self.queries = [text for text, _ in chosen]
        self.answers = [answer for _, answer in chosen]

    def rate(self, scores: Scores) -> float:
        """Return the mean reciprocal rank, ties counted half."""
        ranks = [
            1 + (row > row[answer]).sum() + ((row == row[answer]).sum() - 1) / 2
            for row, answer in zip(scores, self.answers, strict=True)
        ]
        return float(np.mean(1 / np.array(ranks)))


@pytest.fixture(scope="module")
def task() -> Task:
    files = [file for name in PACKAGES for file in read_package(name)]
    facts = [found for found in parse_files(files) if isinstance(found, FileFacts)]
    return Task(drop_docs(build_graph(facts)))


def score_tfidf(task: Task) -> Scores:
    """Score by TF-IDF over the same fields, with the idf of these very functions."""
    rows: list[dict[int, float]] = [{} for _ in task.functions]
    for field in FIELDS:
        matrix = task.graph.terms[field]
        for row, node in zip(rows, task.functions.tolist(), strict=True):
            span = slice(matrix.offsets[node], matrix.offsets[node + 1])
            for term, count in zip(matrix.term_ids[span], matrix.counts[span], strict=True):
                row[int(term)] = row.get(int(term), 0) + float(count)
    frequency = Counter(term for row in rows for term in row)
    idf = {term: np.log((1 + len(rows)) / (1 + n)) + 1 for term, n in frequency.items()}
    scores = np.zeros((len(task.queries), len(rows)))
    queries = [count_terms(split_text(query)) for query in task.queries]
    for index, row in enumerate(rows):
        weights = {term: (1 + np.log(count)) * idf[term] for term, count in row.items()}
        norm = np.sqrt(sum(weight**2 for weight in weights.values())) or 1
        for place, query in enumerate(queries):
            shared = query.keys() & weights.keys()
            scores[place, index] = sum(weights[t] * idf[t] for t in shared) / norm
    return scores


def score_sparse(task: Task) -> Scores:
    """Score as the store does: the dot product with its own idf."""
    every = make_sparse_vectors(task.graph)
    vectors = [every[node] for node in task.functions.tolist()]
    frequency = Counter(index for vector in vectors for index in vector.indices)
    idf = {t: np.log(1 + (len(vectors) - n + 0.5) / (n + 0.5)) for t, n in frequency.items()}
    weights = [dict(zip(v.indices, v.values, strict=True)) for v in vectors]
    queries = [make_query_sparse(query).indices for query in task.queries]
    return np.array(
        [
            [sum(row.get(t, 0) * idf.get(t, 0) for t in query) for row in weights]
            for query in queries
        ]
    )


def test_docstrings_find_their_functions(task: Task, encoder: Encoder) -> None:
    assert len(task.queries) > 100
    vectors = encode_graph(encoder, task.graph)[task.functions]

    dense = task.rate((encoder.encode_texts(task.queries) @ vectors.T).astype(np.float64))
    tfidf = task.rate(score_tfidf(task))
    sparse = task.rate(score_sparse(task))
    chance = task.rate(np.random.default_rng(0).random((len(task.queries), len(vectors))))

    assert dense > 20 * chance
    assert dense > 0.85 * tfidf
    assert sparse > 0.85 * tfidf
