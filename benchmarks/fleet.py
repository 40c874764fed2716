"""Twenty small repositories end to end through ``dagster dev``, two runs at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus as Status

from benchmarks.generated_code import generate_files
from benchmarks.home import inside, temporary_folder
from benchmarks.measure import Series, run_program, show_times
from benchmarks.report import Section, Table
from ingestion_pipeline.composition import open_services
from ingestion_pipeline.core.repositories import SourceKind
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.partitions import ASSET_KEY
from ingestion_pipeline.settings import load_settings
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.end_to_end.dagster_dev import open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment

_FILES = 10
_POLL_SECONDS = 0.5
_DEADLINE_SECONDS = 900
_FAILED = (Status.FAILURE, Status.CANCELED)


@dataclass(frozen=True, slots=True)
class _Times:
    """Moments of one run, seconds since the epoch, and the seconds of its four stages."""

    asked: float
    launched: float
    started: float
    ended: float
    work: float


def measure(*, quick: bool) -> Section:
    """Run the fleet through the queue, then through one process of its own home."""
    count = 2 if quick else 20
    with temporary_folder() as folder, open_deployment(folder) as deployment:
        names = [f"owner/small-{number}" for number in range(count)]
        for number, name in enumerate(names):
            deployment.add_repository(name, dict(generate_files(_FILES, seed=number)))
        _track(deployment, names)
        begin = time.time()
        with open_dagster_dev(deployment):
            loaded_at = time.time()
            runs = _wait_for_runs(deployment, count)
        neighbour = deployment.make_neighbour(folder / "neighbour", {})
        _track(neighbour, names)
        in_one_process = _sync_all(neighbour)
    return _make_section(runs, begin, loaded_at, in_one_process)


def _track(deployment: Deployment, names: Sequence[str]) -> None:
    """Track as the command line does, without its process a repository."""
    with inside(deployment.environment):
        settings = load_settings()
        with open_services(settings) as services, open_instance(settings) as instance:
            for name in names:
                track_repository(
                    name, None, services.hosts, services.state, services.clock, SourceKind.GITHUB
                )
            sync_partitions(services, instance)


def _wait_for_runs(deployment: Deployment, count: int) -> list[_Times]:
    """Wait until the sensor's runs have all succeeded.

    Raises:
        RuntimeError: One failed, or they took too long.
    """
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with inside(deployment.environment), open_instance(load_settings()) as instance:
        while True:
            records = instance.get_run_records()
            failed = [r.dagster_run.tags for r in records if r.dagster_run.status in _FAILED]
            if failed or time.monotonic() > deadline:
                raise RuntimeError(f"{len(records)} runs, failed: {failed}")
            if sum(record.dagster_run.status is Status.SUCCESS for record in records) == count:
                return [_read_times(instance, record) for record in records]
            time.sleep(_POLL_SECONDS)


def _read_times(instance: dg.DagsterInstance, record: dg.RunRecord) -> _Times:
    asked = record.create_timestamp.timestamp()
    launched = instance.get_run_stats(record.dagster_run.run_id).launch_time
    assert launched is not None
    assert record.start_time is not None
    assert record.end_time is not None
    return _Times(asked, launched, record.start_time, record.end_time, _read_work(instance, record))


def _read_work(instance: dg.DagsterInstance, record: dg.RunRecord) -> float:
    [entry] = instance.all_logs(
        record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    materialization = entry.asset_materialization
    assert materialization is not None
    assert materialization.asset_key == ASSET_KEY
    seconds = [
        float(str(value.value))
        for name, value in materialization.metadata.items()
        if name.startswith("seconds_")
    ]
    return sum(seconds)


def _sync_all(deployment: Deployment) -> float:
    environment, folder = deployment.environment, Path(deployment.home)
    finished = run_program("ingestion-pipeline", "sync", environment=environment, folder=folder)
    return finished.seconds


def _make_section(
    runs: list[_Times], begin: float, loaded_at: float, in_one_process: float
) -> Section:
    count = len(runs)
    first, last = min(run.asked for run in runs), max(run.ended for run in runs)
    per_minute = 60 * count / (last - first)
    in_one = 60 * count / in_one_process
    waiting = Series.of([run.launched - run.asked for run in runs])
    starting = Series.of([run.started - run.launched for run in runs])
    running = Series.of([run.ended - run.started for run in runs])
    busy = sum(run.ended - run.launched for run in runs) / (last - first)
    steps = (
        ("`dagster dev` until its code location is loaded", f"{loaded_at - begin:.1f} s"),
        ("… until the sensor's first tick asks for runs", f"{first - begin:.1f} s"),
        ("a run waits in the queue", waiting.show(digits=1)),
        ("a run's process starts and imports", starting.show(digits=1)),
        ("a run, first event to last", running.show(digits=1)),
        ("… of which our four stages", Series.of([run.work for run in runs]).show(digits=1)),
        ("runs under way at once, on average", f"{busy:.2f}"),
    )
    return Section(
        name="fleet",
        title=f"{count} small repositories end to end",
        method=(
            f"{count} repositories of {_FILES} files at a GitHub on loopback, git over HTTP, "
            "tracked and never indexed. `dagster dev` as it is configured: the sensor's first tick "
            "asks for all, the queue lets two run at a time, each a process of its own. From the "
            "tick's requests to the end of the last run. Then, in a home of its own, "
            "`ingestion-pipeline sync`: the same runs one after another in one process, its start "
            "included."
        ),
        figures=(
            (
                f"{count} small repositories end to end, two runs at a time",
                f"{per_minute:.1f} repositories per minute",
            ),
            (
                "… by `ingestion-pipeline sync`, in one process",
                f"{in_one:.1f} per minute, {show_times(in_one / per_minute)}",
            ),
        ),
        tables=(Table(("part", "time"), steps),),
    )
