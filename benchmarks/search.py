"""Search latency at 20,000 points in the embedded store, warm and cold."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.home import Home, inside, make_home, temporary_folder
from benchmarks.measure import (
    Series,
    interleave,
    read_last_json,
    run_program,
    run_python,
    show_times,
)
from benchmarks.report import Section, Table
from benchmarks.search_index import PACKAGES, Index, Query, build_index, make_queries
from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.embed.sparse import make_query_sparse
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline.search.hits import SearchFilters, make_filter
from ingestion_pipeline.search.search import search
from ingestion_pipeline.settings import load_settings

_LIMIT = 50
_MILLISECONDS = 1000
_DENSE, _FILTERED, _NUMPY = "dense", "dense, only files and symbols", "dense in numpy, exact"
_SPARSE, _ENCODE, _FUSED = "sparse", "embed the query", "`search()`: both, fused"
# Opening the store and the first answer, without the encoder: vector and folder are given.
_COLD = """
import json, sys, time
a = time.perf_counter()
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.points.edge_store import EdgePointStore
import pathlib
b = time.perf_counter()
store = EdgePointStore(pathlib.Path(sys.argv[1]))
vector = [float(part) for part in sys.argv[3].split(",")]
store.search_dense(sys.argv[2], vector, PointFilter({}), 50)
c = time.perf_counter()
store.search_dense(sys.argv[2], vector, PointFilter({}), 50)
d = time.perf_counter()
store.close()
print(json.dumps({"import": b - a, "first": c - b, "second": d - c}))
"""


def measure(*, quick: bool) -> Section:
    """Index, then ask every way in turn, query by query."""
    points, count, rounds = (300, 5, 1) if quick else (20_000, 200, 5)
    with temporary_folder() as folder:
        home = make_home(folder / "home")
        with inside(home.environment), open_services(load_settings()) as services:
            index = build_index(services, points)
            queries = make_queries(services, index, count)
            collection, data_path = services.collection.name, services.settings.data_path
            services.store.close()
            warm, agreement = _measure_warm(services, index, queries)
        cold = _measure_cold(home, data_path / "qdrant", collection, queries, rounds)
    return _make_section(index, warm, agreement, cold)


def _measure_warm(
    services: Services, index: Index, queries: Sequence[Query]
) -> tuple[dict[str, Series], float]:
    """Return the latencies of each way in ms, and the share of answers that numpy agrees with."""
    # The store as a search service keeps it: open as long as nobody else wants it.
    store = EdgePointStore(services.settings.data_path / "qdrant", keep_open_seconds=600)
    name = services.collection.name
    everything, symbols = PointFilter({}), make_filter(SearchFilters())
    values: dict[str, list[float]] = {}
    agreeing = 0

    def encode(text: str) -> list[float]:
        return [float(value) for value in services.encoder.encode_text(text)]

    store.search_dense(name, queries[0].dense.tolist(), everything, 1)
    for query in queries:
        vector = query.dense.tolist()
        sparse = make_query_sparse(query.words)
        ways: dict[str, Callable[[], object]] = {
            _NUMPY: lambda query=query: _search_numpy(index.matrix, query.dense, _LIMIT),
            _DENSE: lambda vector=vector: store.search_dense(name, vector, everything, _LIMIT),
            _FILTERED: lambda vector=vector: store.search_dense(name, vector, symbols, _LIMIT),
            _SPARSE: lambda sparse=sparse: store.search_sparse(name, sparse, everything, _LIMIT),
            _ENCODE: lambda query=query: services.encoder.encode_text(query.words),
            _FUSED: lambda query=query: search(query.words, store, encode, make_query_sparse, name),
        }
        for way, ask in ways.items():
            values.setdefault(way, []).append(_time(ask))
        found = store.search_dense(name, vector, everything, 1)
        nearest = _search_numpy(index.matrix, query.dense, 1)[0]
        # Points with the same words have the same vector; any of them is the right answer.
        agreeing += bool(abs(index.matrix[nearest] @ query.dense - found[0].score) < 1e-4)
    store.close()
    return {way: Series.of(taken) for way, taken in values.items()}, agreeing / len(queries)


def _measure_cold(
    home: Home, store: Path, collection: str, queries: Sequence[Query], rounds: int
) -> dict[str, list[dict[str, float]]]:
    vector = ",".join(str(float(value)) for value in queries[0].dense)
    words = queries[0].words.split()

    def ask_store() -> dict[str, float]:
        return read_last_json(
            run_python(
                _COLD, store, collection, vector, environment=home.environment, folder=home.folder
            )
        )

    def ask_program() -> dict[str, float]:
        finished = run_program(
            *("ingestion-pipeline", "search", *words),
            environment=home.environment,
            folder=home.folder,
        )
        return {"total": finished.seconds}

    return interleave(rounds, {"store": ask_store, "program": ask_program})


def _search_numpy(
    matrix: npt.NDArray[np.float32], query: npt.NDArray[np.float32], limit: int
) -> npt.NDArray[np.int64]:
    scores = matrix @ query
    best = np.argpartition(scores, -limit)[-limit:]
    return best[np.argsort(-scores[best])]


def _time(ask: Callable[[], object]) -> float:
    begin = time.perf_counter()
    ask()
    return (time.perf_counter() - begin) * _MILLISECONDS


def _make_section(
    index: Index,
    warm: dict[str, Series],
    agreement: float,
    cold: dict[str, list[dict[str, float]]],
) -> Section:
    points = f"{len(index.ids):,} points"
    rows = tuple(
        (
            way,
            f"{series.percentile(0.5):.2f} ms",
            f"{series.percentile(0.95):.2f} ms",
            show_times(series.over(warm[_NUMPY]).median),
        )
        for way, series in warm.items()
    )
    program = Series.of([taken["total"] for taken in cold["program"]])
    opened = {
        name: Series.of([taken[name] * _MILLISECONDS for taken in cold["store"]])
        for name in ("import", "first", "second")
    }
    fused = warm[_FUSED]
    return Section(
        name="search",
        title="Search",
        method=(
            f"{points} of real code (every file, class, function and method of the installed "
            f"{' and '.join(PACKAGES)} packages, cut there), through the real parser, encoder and "
            f"word vectors (median {index.words_per_point} words a point), in the embedded store. "
            f"{len(fused.values)} queries of one to four words out of their own signatures; every "
            f"query asked every way in turn, {_LIMIT} hits each with payload, from one thread. "
            "The yardstick is one matrix-vector product and a partial sort in numpy, without "
            "payload."
        ),
        figures=(
            (
                f"Search over {points}, warm",
                f"p50 {fused.percentile(0.5):.1f} ms, p95 {fused.percentile(0.95):.1f} ms",
            ),
            (
                "… its dense part, to exact numpy in memory",
                show_times(warm[_DENSE].over(warm[_NUMPY]).median),
            ),
            ("`ingestion-pipeline search` in a fresh process", program.show()),
        ),
        tables=(
            Table(("warm, store kept open", "p50", "p95", "to numpy (median)"), rows),
            Table(
                ("cold, fresh process", "time"),
                (
                    ("import the store's adapter", opened["import"].show("ms", 0)),
                    (
                        "open the store and answer the first dense query",
                        opened["first"].show("ms", 0),
                    ),
                    ("answer it again", opened["second"].show("ms", 1)),
                    (
                        "`ingestion-pipeline search` as a whole: imports, torch, store, both ways",
                        program.show(),
                    ),
                ),
            ),
        ),
        remarks=(
            f"Of the queries, {agreement:.0%} had the same best score in the store and in numpy.",
        ),
    )
