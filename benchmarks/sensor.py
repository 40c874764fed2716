"""The freshness sensor's tick at 1,000 and 10,000 tracked repositories."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import dagster as dg
import httpx

from benchmarks.home import inside, make_home, temporary_folder
from benchmarks.measure import Series, interleave
from benchmarks.report import Section, Table
from benchmarks.sensor_world import Host, fill_world, make_all_due, serve_github
from benchmarks.timed import Timed
from ingestion_pipeline.composition import Services, build_hosts, open_services
from ingestion_pipeline.core.repositories import SourceKind
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.sensors import run_tick
from ingestion_pipeline.settings import Settings, load_settings
from ingestion_pipeline.sources.github.graphql import FRESHNESS_QUERY, REPOSITORIES_PER_CALL
from ingestion_pipeline.state import open_state_store

_HOST, _DAGSTER, _STATE = "asking GitHub", "Dagster's storage", "our state"
_PARTS = (_HOST, _DAGSTER, _STATE)
SIZES = (1_000, 10_000)


@dataclass(frozen=True, slots=True)
class _Tick:
    """One tick: wall time, its parts, what it paid at the host, and the runs it asked for."""

    seconds: float
    parts: dict[str, float]
    requests: dict[str, int]
    runs: int


@dataclass(frozen=True, slots=True)
class _Case:
    """Ticks of one kind."""

    name: str
    ticks: list[_Tick]
    bare_calls: Series


def measure(*, quick: bool) -> Section:
    """Tick over worlds of several sizes, up to date and with one in a hundred pushed."""
    sizes, rounds = ((50,), 1) if quick else (SIZES, 5)
    cases = [
        case
        for size in sizes
        for pushed in (False, True)
        for case in _measure_world(size, rounds, pushed=pushed)
    ]
    cases.append(_measure_rest(50 if quick else 1_000))
    return _make_section(cases)


def _measure_world(size: int, rounds: int, *, pushed: bool) -> list[_Case]:
    with temporary_folder() as folder, serve_github(size) as host:
        variables = _make_variables(host)
        with _enter(folder, variables, host, size, pushed=pushed) as settings:
            state = "1 % pushed to" if pushed else "up to date"
            cap = settings.sensor_max_repositories_per_tick
            caps = {f"{size:,} tracked, {state}": min(cap, size)}
            if size > cap:
                caps = {
                    f"{size:,} tracked, {state}; {cap:,} a tick, as configured": cap,
                    f"{size:,} tracked, {state}; all in one tick": size,
                }
            return [
                _measure_case(name, settings, host, count, rounds) for name, count in caps.items()
            ]


def _measure_case(name: str, settings: Settings, host: Host, count: int, rounds: int) -> _Case:
    settings = settings.model_copy(update={"sensor_max_repositories_per_tick": count})
    done = interleave(
        rounds,
        {
            "tick": lambda: _tick(settings, host),
            "bare": lambda: _ask_bare(host, count),
        },
    )
    ticks = cast("list[_Tick]", done["tick"])
    return _Case(name, ticks, Series.of(cast("list[float]", done["bare"])))


def _measure_rest(size: int) -> _Case:
    with (
        temporary_folder() as folder,
        serve_github(size, graphql=False) as host,
        _enter(folder, _make_variables(host), host, size, pushed=False) as settings,
    ):
        ticks = [_tick(settings, host)]
    return _Case(f"{size:,} tracked, up to date; a host without GraphQL", ticks, Series((0.0,)))


def _make_variables(host: Host) -> dict[str, str]:
    return {"INGESTION_GITHUB_API_URL": host.api_url, "INGESTION_GITHUB_TOKEN": host.token}


@contextmanager
def _enter(
    folder: Path, variables: dict[str, str], host: Host, size: int, *, pushed: bool
) -> Iterator[Settings]:
    """Fill a home and yield its settings, this process inside it."""
    home = make_home(folder / "home", variables)
    with inside(home.environment):
        settings = load_settings()
        services = Services(settings)
        with open_instance(settings) as instance:
            fill_world(services, instance, host, size, pushed=pushed)
        services.close()
        yield settings


def _tick(settings: Settings, host: Host) -> _Tick:
    """Run one tick as a code server does: services and instance are opened for it."""
    seconds: Counter[str] = Counter()
    with open_services(settings) as services:
        make_all_due(services)
    before = host.count_requests()
    begin = time.perf_counter()
    services = Services(
        settings,
        make_state=lambda s: cast("Any", Timed(open_state_store(s.state_url), _STATE, seconds)),
        make_hosts=lambda s, clock: {
            SourceKind.GITHUB: cast(
                "Any", Timed(build_hosts(s, clock)[SourceKind.GITHUB], _HOST, seconds)
            )
        },
    )
    with open_instance(settings) as instance:
        clocked = Timed(instance, _DAGSTER, seconds, nested=("event_log_storage",))
        result = run_tick(services, cast("dg.DagsterInstance", clocked), None)
    services.close()
    total = time.perf_counter() - begin
    after = host.count_requests()
    requests = {name: after[name] - before[name] for name in after}
    return _Tick(total, dict(seconds), requests, len(result.run_requests or ()))


def _ask_bare(host: Host, count: int) -> float:
    """Return the seconds of the same GraphQL calls, one after another, by a plain HTTP client."""
    ids = [f"R_kgDO{1001 + number:08d}" for number in range(count)]
    login = {"Authorization": f"Bearer {host.token}"}
    begin = time.perf_counter()
    with httpx.Client(headers=login, timeout=60) as client:
        for start in range(0, count, REPOSITORIES_PER_CALL):
            chunk = ids[start : start + REPOSITORIES_PER_CALL]
            body = {"query": FRESHNESS_QUERY, "variables": {"ids": chunk}}
            client.post(f"{host.api_url}/graphql", json=body).raise_for_status()
    return time.perf_counter() - begin


def _make_section(cases: list[_Case]) -> Section:
    figures: list[tuple[str, str]] = []
    rows: list[tuple[str, ...]] = []
    for case in cases:
        total = Series.of([tick.seconds for tick in case.ticks])
        parts = {
            part: Series.of([tick.parts.get(part, 0.0) for tick in case.ticks]) for part in _PARTS
        }
        rest = Series.of([tick.seconds - sum(tick.parts.values()) for tick in case.ticks])
        first = case.ticks[-1]
        bare = Series(case.bare_calls.values)
        rows.append(
            (
                case.name,
                total.show(),
                *(f"{series.median:.2f} s" for series in (*parts.values(), rest)),
                f"{first.requests['graphql']:,} + {first.requests['core']:,}",
                f"{first.runs:,}",
                f"{bare.median:.2f} s" if bare.median else "",
                total.over(bare).show_ratio() if bare.median else "",
            )
        )
        figures.append((f"Sensor tick, {case.name}", total.show()))
    return Section(
        name="sensor",
        title="The sensor's tick",
        method=(
            "`run_tick` with Dagster's SQLite storage and ours, opened for each tick as a code "
            "server does, over the tests' GitHub on loopback in a process of its own, which "
            "answers with graphql-core in Python, one call at a time. Every repository was indexed "
            "once, by a run that succeeded. Beside each tick, in turn, the same GraphQL calls by a "
            "plain HTTP client, one after another."
        ),
        figures=tuple(figures),
        tables=(
            Table(
                (
                    "tick",
                    "total",
                    *_PARTS,
                    "rest",
                    "GraphQL + REST calls",
                    "runs asked for",
                    "bare calls",
                    "tick to bare calls",
                ),
                tuple(rows),
            ),
        ),
        remarks=(
            (
                "A tick asks about at most `INGESTION_SENSOR_MAX_REPOSITORIES_PER_TICK` "
                "repositories and for at most `INGESTION_SENSOR_MAX_RUNS_PER_TICK` runs; the next "
                "goes on there."
            ),
            "*rest*: decisions, opening the databases, Python.",
        ),
    )
