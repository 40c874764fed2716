"""The HTTP door: how fast it answers, how soon Dagster's queue has what it accepted."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path

import dagster as dg
import httpx

from benchmarks.home import temporary_folder
from benchmarks.http_world import ServedDoor, postgres_database, serve_door
from benchmarks.measure import Series
from benchmarks.report import Section, Table

_SUBMIT, _BURST, _QUEUED = (
    "`POST /api/repositories/{id}/sync`",
    "… one hard upon the other",
    "… until its run is in Dagster's queue",
)
_FIRST = "… the first after the server's start, until its run is in Dagster's queue"
_STATUS, _UNCHANGED = "`GET /api/v1/jobs/{id}`", "… with `If-None-Match`"
_CANCEL = "`POST /api/v1/jobs/{id}/cancel`"
# Endpoint → what is asked for.
_READ = {
    "`GET /api/v1/ingestion/jobs/history?limit=10`": "/api/v1/ingestion/jobs/history?limit=10",
    "… `?limit=100`": "/api/v1/ingestion/jobs/history?limit=100",
    "`GET /api/v1/repositories`": "/api/v1/repositories",
    "`GET /api/v1/ingestion/worker/status`": "/api/v1/ingestion/worker/status",
    "`GET /metrics`": "/metrics",
}
_BARS = {
    _SUBMIT: "median 100 ms, p99 500 ms",
    _BURST: "p99 500 ms",
    _QUEUED: "1 s",
    _STATUS: "median 50 ms",
    _UNCHANGED: "median 50 ms",
    **dict.fromkeys(list(_READ)[:2], "median 100 ms"),
}
_QUEUE_DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.01
_QUEUED_JOBS = 10


@dataclass(frozen=True, slots=True)
class _Size:
    """How much is done: what is in the stores, and how often each thing is measured."""

    repositories: int
    runs: int
    rounds: int
    reads_a_round: int
    clients: int
    polls_a_client: int


_FULL = _Size(100, 1_000, rounds=3, reads_a_round=50, clients=200, polls_a_client=10)
_QUICK = _Size(12, 20, rounds=1, reads_a_round=3, clients=12, polls_a_client=2)


@dataclass(frozen=True, slots=True)
class _Load:
    """What all clients together saw."""

    seconds: Series
    wall_seconds: float
    errors: int


@dataclass(slots=True)
class _Measured:
    """One door and what was measured at it, seconds by what was done."""

    door: ServedDoor
    client: httpx.Client
    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    cpu_seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    load: _Load | None = None

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Note how long something takes."""
        begin = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - begin)

    @contextmanager
    def clock_cpu(self, name: str, count: int) -> Iterator[None]:
        """Note the CPU time of the server, for each of ``count`` requests."""
        begin = self.door.read_cpu_seconds()
        yield
        used = self.door.read_cpu_seconds() - begin
        self.cpu_seconds.setdefault(name, []).append(used / count)


def measure(*, quick: bool) -> Section:
    """Ask two doors turn by turn, one over SQLite and one over Postgres."""
    size = _QUICK if quick else _FULL
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        url = stack.enter_context(postgres_database())
        doors = {
            name: _open(stack, folder / name, database_url, size)
            for name, database_url in (("SQLite", None), ("Postgres", url))
        }
        _take_turns(doors, 1, _submit_first)
        _take_turns(doors, size.rounds, lambda measured: _measure_round(measured, size))
        _take_turns(doors, 1, lambda measured: _measure_load(measured, size))
    return _make_section(doors, size)


def _open(stack: ExitStack, folder: Path, database_url: str | None, size: _Size) -> _Measured:
    door = serve_door(folder, database_url, repositories=size.repositories, runs=size.runs)
    opened = stack.enter_context(door)
    client = httpx.Client(base_url=opened.address, timeout=60, trust_env=False)
    return _Measured(opened, stack.enter_context(client))


def _take_turns(
    doors: Mapping[str, _Measured], rounds: int, action: Callable[[_Measured], None]
) -> None:
    """Do something at every door once a round, every other round backwards."""
    for number in range(rounds):
        for measured in list(doors.values())[:: -1 if number % 2 else 1]:
            action(measured)


def _submit_first(measured: _Measured) -> None:
    with measured.clock(_FIRST):
        job_id = _submit(measured, measured.door.names[0])
        _wait_for_queue(measured.door.instance, [job_id])
    _cancel_all(measured, [job_id])


def _measure_round(measured: _Measured, size: _Size) -> None:
    """Submit all repositories at an easy pace, look at them, end them; then the same at once."""
    names, instance = measured.door.names, measured.door.instance
    jobs: list[str] = []
    with measured.clock_cpu(_QUEUED, len(names)):
        for name in names:
            with measured.clock(_QUEUED):
                with measured.clock(_SUBMIT):
                    jobs.append(_submit(measured, name))
                _wait_for_queue(instance, jobs[-1:])
    _read_jobs(measured, jobs, size.reads_a_round)
    for name, path in _READ.items():
        with measured.clock_cpu(name, size.reads_a_round):
            for _ in range(size.reads_a_round):
                with measured.clock(name):
                    _get(measured.client, path)
    _cancel_all(measured, jobs)
    burst: list[str] = []
    for name in names:
        with measured.clock(_BURST):
            burst.append(_submit(measured, name))
    _wait_for_queue(instance, burst)
    _cancel_all(measured, burst)


def _read_jobs(measured: _Measured, jobs: Sequence[str], count: int) -> None:
    asked = list(islice(cycle(jobs), count))
    tags: dict[str, str] = {}
    with measured.clock_cpu(_STATUS, count):
        for job_id in asked:
            with measured.clock(_STATUS):
                answer = _get(measured.client, f"/api/v1/jobs/{job_id}")
            tags[job_id] = answer.headers["ETag"]
    with measured.clock_cpu(_UNCHANGED, count):
        for job_id in asked:
            headers = {"If-None-Match": tags[job_id]}
            with measured.clock(_UNCHANGED):
                answer = measured.client.get(f"/api/v1/jobs/{job_id}", headers=headers)
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                raise RuntimeError(f"{answer.status_code} for a job that is as it was.")


def _cancel_all(measured: _Measured, jobs: Sequence[str]) -> None:
    with measured.clock_cpu(_CANCEL, len(jobs)):
        for job_id in jobs:
            with measured.clock(_CANCEL):
                answer = measured.client.post(f"/api/v1/jobs/{job_id}/cancel")
            answer.raise_for_status()
    _wait_for_status(measured.door.instance, jobs, dg.DagsterRunStatus.CANCELED)


def _submit(measured: _Measured, name: str) -> str:
    answer = measured.client.post(f"/api/repositories/{name}/sync")
    answer.raise_for_status()
    return answer.json()["job_id"]


def _get(client: httpx.Client, path: str) -> httpx.Response:
    return client.get(path).raise_for_status()


def _wait_for_queue(instance: dg.DagsterInstance, jobs: Sequence[str]) -> None:
    _wait_for_status(instance, jobs, dg.DagsterRunStatus.QUEUED)


def _wait_for_status(
    instance: dg.DagsterInstance, jobs: Sequence[str], status: dg.DagsterRunStatus
) -> None:
    """Wait until the jobs' runs have a status in Dagster's storage.

    Raises:
        RuntimeError: They did not in a minute.
    """
    deadline = time.monotonic() + _QUEUE_DEADLINE_SECONDS
    wanted = dg.RunsFilter(run_ids=list(jobs), statuses=[status])
    while instance.get_runs_count(wanted) < len(jobs):
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not all of {len(jobs)} runs were {status} in time.")
        time.sleep(_POLL_SECONDS)


def _measure_load(measured: _Measured, size: _Size) -> None:
    """Poll the status of queued jobs from many connections at once."""
    names = measured.door.names[:_QUEUED_JOBS]
    jobs = [_submit(measured, name) for name in names]
    _wait_for_queue(measured.door.instance, jobs)
    measured.load = asyncio.run(_poll_all(measured.door.address, jobs, size))
    _cancel_all(measured, jobs)


async def _poll_all(address: str, jobs: Sequence[str], size: _Size) -> _Load:
    begin = time.perf_counter()
    asked = islice(cycle(jobs), size.clients)
    polls = (_poll(address, job_id, size.polls_a_client) for job_id in asked)
    answers = list(chain.from_iterable(await asyncio.gather(*polls)))
    wall_seconds = time.perf_counter() - begin
    errors = sum(not is_right for is_right, _ in answers)
    return _Load(Series.of([seconds for _, seconds in answers]), wall_seconds, errors)


async def _poll(address: str, job_id: str, count: int) -> list[tuple[bool, float]]:
    """Return whether each answer to one client was right, and the seconds that it took."""
    answers: list[tuple[bool, float]] = []
    # No TLS is spoken, so that nobody's certificates need to be loaded 200 times.
    async with httpx.AsyncClient(
        base_url=address, timeout=60, trust_env=False, verify=False
    ) as client:
        for _ in range(count):
            begin = time.perf_counter()
            answer = await client.get(f"/api/v1/jobs/{job_id}")
            seconds = time.perf_counter() - begin
            is_right = answer.status_code == httpx.codes.OK and answer.json()["job_id"] == job_id
            answers.append((is_right, seconds))
    return answers


def _make_section(doors: Mapping[str, _Measured], size: _Size) -> Section:
    names = (_SUBMIT, _BURST, _QUEUED, _FIRST, _STATUS, _UNCHANGED, *_READ, _CANCEL)
    return Section(
        name="http_door",
        title="The HTTP door",
        method=(
            f"`ingestion-pipeline serve` over loopback, {size.repositories} tracked repositories, "
            f"{size.runs:,} ended runs in Dagster's storage, as many jobs and lines of history; "
            "on SQLite, and on a Postgres of its own that waits for its disk. One client, turn by "
            f"turn at both, in {size.rounds} rounds: every repository for what submits and "
            f"cancels, {size.reads_a_round} requests for what reads. No daemon runs, so that what "
            f"is submitted stays queued: up to {size.repositories} runs, the cap being raised."
        ),
        figures=tuple(chain(*(_list_figures(name, doors) for name in (_SUBMIT, _QUEUED, _STATUS)))),
        tables=(
            Table(
                (
                    "request",
                    *chain(*((f"{name}: median", "p99", "server's CPU") for name in doors)),
                    "bar",
                ),
                tuple(_make_row(name, doors) for name in names),
            ),
            _make_load_table(doors, size),
        ),
        remarks=(
            (
                "*server's CPU*: of all its threads, for each request; with a submission goes what "
                "hands it to Dagster, with all what looks after the jobs once a second."
            ),
        ),
    )


def _list_figures(name: str, doors: Mapping[str, _Measured]) -> Iterator[tuple[str, str]]:
    for database, measured in doors.items():
        series = Series.of(measured.seconds[name])
        bar = f", bar {_BARS[name]}" if name in _BARS else ""
        words = f"{_show(series.median)}, p99 {_show(series.percentile(0.99))}{bar}"
        yield f"{name}, {database}", words


def _make_row(name: str, doors: Mapping[str, _Measured]) -> tuple[str, ...]:
    cells: list[str] = []
    for measured in doors.values():
        series = Series.of(measured.seconds[name])
        cpu = measured.cpu_seconds.get(name)
        shown_cpu = _show(Series.of(cpu).median) if cpu else ""
        cells += [_show(series.median), _show(series.percentile(0.99)), shown_cpu]
    return (name, *cells, _BARS.get(name, ""))


def _make_load_table(doors: Mapping[str, _Measured], size: _Size) -> Table:
    what = f"{size.clients} clients, {size.polls_a_client} polls each without a pause"
    columns = (f"{what}, {_QUEUED_JOBS} jobs queued", "requests per second", "median", "p99")
    rows: list[tuple[str, ...]] = []
    for database, measured in doors.items():
        load = measured.load
        assert load is not None
        rate = len(load.seconds.values) / load.wall_seconds
        median, p99 = _show(load.seconds.median), _show(load.seconds.percentile(0.99))
        rows.append((database, f"{rate:,.0f}", median, p99, str(load.errors)))
    return Table((*columns, "errors"), tuple(rows))


def _show(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"
