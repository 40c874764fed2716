"""A first index followed over HTTP: how long its progress is silent, by events and by polling."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import httpx

from benchmarks.corpus import make_corpus
from benchmarks.home import Home, temporary_folder
from benchmarks.http_world import serve
from benchmarks.report import Section, Table
from benchmarks.tracked_corpus import TrackedCorpus
from ingestion_pipeline_tests.end_to_end.processes import end_group

_FILES, _QUICK_FILES = 10_000, 100
_POLL_SECONDS = 0.25
_STAGES = ("clone", "parse", "embed", "upsert", "check")
_BAR = "1 s"

# When a client saw a job, and what it saw.
_Seen = list[tuple[float, dict[str, Any]]]


def measure(*, quick: bool) -> Section:
    """Submit a first index to Dagster's own queue and daemon, and follow it in two ways."""
    count = _QUICK_FILES if quick else _FILES
    with temporary_folder() as folder:
        corpus = make_corpus(folder / "corpus", count)
        tracked = TrackedCorpus(corpus, folder / "home")
        with serve(tracked.home) as (address, _):
            # Submitted first, so that the sensor of the daemon finds it under way.
            job_id = _submit(address, tracked.partition)
            with _daemon(tracked.home):
                seen = _follow(address, job_id)
    return _make_section(seen, count)


def _submit(address: str, name: str) -> str:
    answer = httpx.post(f"{address}/api/repositories/{name}/sync", trust_env=False)
    return answer.raise_for_status().json()["job_id"]


@contextmanager
def _daemon(home: Home) -> Iterator[None]:
    command = [Path(sys.executable).parent / "dagster-daemon", "run"]
    environment = {**home.environment, "DAGSTER_HOME": str(home.folder)}
    with (
        (home.folder / "daemon.log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=home.folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
        finally:
            end_group(process.pid)


def _follow(address: str, job_id: str) -> dict[str, _Seen]:
    """Follow a job to its end in two ways at once.

    Raises:
        RuntimeError: It did not complete.
    """
    path = f"{address}/api/v1/jobs/{job_id}"
    with ThreadPoolExecutor() as pool:
        ways = {
            "events": pool.submit(_read_events, path),
            "polling": pool.submit(_poll, path),
        }
        seen = {name: way.result() for name, way in ways.items()}
    for views in seen.values():
        _, last = views[-1]
        if last["status"] != "completed":
            raise RuntimeError(f"The job {last['status']}: {last['error']}")
    return seen


def _read_events(path: str) -> _Seen:
    seen: _Seen = []
    with httpx.stream("GET", f"{path}/events", timeout=60, trust_env=False) as answer:
        for line in answer.raise_for_status().iter_lines():
            if line.startswith("data: "):
                seen.append((time.monotonic(), json.loads(line.removeprefix("data: "))))
    return seen


def _poll(path: str) -> _Seen:
    seen: _Seen = []
    etag = ""
    with httpx.Client(timeout=60, trust_env=False) as client:
        while not seen or seen[-1][1]["ended_at"] is None:
            answer = client.get(path, headers={"If-None-Match": etag})
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                seen.append((time.monotonic(), answer.raise_for_status().json()))
                etag = answer.headers["ETag"]
            time.sleep(_POLL_SECONDS)
    return seen


def _list_gaps(seen: _Seen, stage: str) -> list[float]:
    """Return the seconds from each news of a stage to the next news of whatever stage."""
    return [
        next_at - at
        for (at, view), (next_at, _) in pairwise(seen)
        if view["progress"]["stage"] == stage
    ]


def _make_section(seen: dict[str, _Seen], count: int) -> Section:
    rows = [
        (stage, *chain(*(_describe(_list_gaps(views, stage)) for views in seen.values())))
        for stage in _STAGES
    ]
    columns = chain(*((f"{name}: seconds", "news", "longest silence") for name in seen))
    return Section(
        name="progress",
        title="Progress of a first index over HTTP",
        method=(
            f"A repository of {count:,} files, never indexed, submitted to `ingestion-pipeline "
            "serve`, run by `dagster-daemon`, all on the same machine. One client reads the job's "
            f"events, another asks for the job every {_POLL_SECONDS} s with `If-None-Match` and "
            "counts what is new. One run."
        ),
        figures=tuple(
            (
                f"Longest silence while {count:,} files are processed, by {name}",
                f"{max(chain(*(_list_gaps(views, stage) for stage in _STAGES))):.2f} s, bar {_BAR}",
            )
            for name, views in seen.items()
        ),
        tables=(Table(("stage", *columns), tuple(rows)),),
        remarks=(
            (
                "*longest silence*: from one news of the stage to the next, be it the next "
                "stage's. Where the run itself is silent, because the embedded store seals a "
                "segment and lets no thread of Python run meanwhile, events repeat what was known; "
                "to a poller nothing is new."
            ),
        ),
    )


def _describe(gaps: Sequence[float]) -> tuple[str, str, str]:
    longest = f"{max(gaps):.2f} s" if gaps else ""
    return (f"{sum(gaps):,.1f}", f"{len(gaps)}", longest)
