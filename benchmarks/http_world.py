"""Homes with a past, and the HTTP door served over them by its own process."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import httpx
import psutil
from sqlalchemy import insert

from benchmarks.home import Home, inside, make_home
from benchmarks.sensor_world import make_branch, make_row
from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import SyncRecord, SyncStatus
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS
from ingestion_pipeline.orchestration.history import describe_result
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.job_runs import JOB_TAG, REQUESTED_BY_TAG
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG, PARTITIONS_NAME
from ingestion_pipeline.settings import load_settings
from ingestion_pipeline.state.database_url import parse_database_url
from ingestion_pipeline.state.engine import begin_transaction, make_engine
from ingestion_pipeline.state.rows import job_columns, sync_columns
from ingestion_pipeline.state.tables import ingestion_history, sync_jobs
from ingestion_pipeline_tests.postgres import PostgresServer, find_free_port, find_postgres_binaries

_START_SECONDS = 120
_REQUESTER = "the HTTP API (127.0.0.1)"
# Of ten runs one failed.
_FAILED_OF = 10


@dataclass(frozen=True, slots=True)
class ServedDoor:
    """A served door and what lies behind it.

    Args:
        address: ``http://127.0.0.1:…``.
        instance: Dagster's, of the same project.
        names: Tracked repositories, ``owner/name``.
        process: The server's.
    """

    address: str
    instance: dg.DagsterInstance
    names: tuple[str, ...]
    process: psutil.Process

    def read_cpu_seconds(self) -> float:
        """Return the CPU time of the server so far."""
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def postgres_database() -> Iterator[str]:
    """Yield the URL of an empty database of a server that waits for its disk.

    Raises:
        RuntimeError: Postgres' programs are not on this machine.
    """
    binaries = find_postgres_binaries()
    if binaries is None:
        raise RuntimeError("Install Postgres to measure it; on Debian: apt-get install postgresql")
    server = PostgresServer(binaries, is_durable=True)
    try:
        server.start()
        yield server.create_database()
    finally:
        server.stop()


@contextmanager
def serve_door(
    folder: Path, database_url: str | None, *, repositories: int, runs: int
) -> Iterator[ServedDoor]:
    """Serve a home where ``repositories`` are tracked and ``runs`` have ended.

    Nothing else of the project runs: what is submitted stays in Dagster's queue.
    """
    variables = {"INGESTION_MAX_QUEUED_JOBS": str(repositories)}
    if database_url is not None:
        variables["INGESTION_DATABASE_URL"] = database_url
    home = make_home(folder, variables)
    with inside(home.environment):
        settings = load_settings()
        with open_services(settings) as services, open_instance(settings) as instance:
            rows = _fill(services, instance, repositories, runs)
    with inside(home.environment), open_instance(settings) as instance:
        names = tuple(row.partition_key for row in rows)
        with serve(home) as (address, process):
            yield ServedDoor(address, instance, names, process)


@contextmanager
def serve(home: Home) -> Iterator[tuple[str, psutil.Process]]:
    address = f"http://127.0.0.1:{(port := find_free_port())}"
    command = [Path(sys.executable).parent / "ingestion-pipeline", "serve", "--port", str(port)]
    log_path = home.folder / "serve.log"
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            command, cwd=home.folder, env=home.environment, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_until_up(process, address, log_path)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


def _wait_until_up(process: subprocess.Popen[bytes], address: str, log_path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(f"{address}/healthz", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log_path.read_text(encoding="utf-8")) from None
            time.sleep(0.1)
        else:
            return


def _fill(
    services: Services, instance: dg.DagsterInstance, repositories: int, runs: int
) -> list[TrackedRepository]:
    """Write through the ports and Dagster's own storage what weeks of use leave behind."""
    rows = [make_row(number) for number in range(repositories)]
    for number, row in enumerate(rows):
        services.state.save_repository(row)
        fingerprint = services.make_fingerprint(row)
        branch = make_branch(row, number, fingerprint, is_behind=False)
        services.state.commit_branch(row.source, branch)
    instance.add_dynamic_partitions(PARTITIONS_NAME, [row.partition_key for row in rows])
    _add_syncs(services, instance, rows, runs)
    return rows


def _add_syncs(
    services: Services, instance: dg.DagsterInstance, rows: list[TrackedRepository], runs: int
) -> None:
    """Add syncs that were asked for over HTTP and ended."""
    begin = datetime.now(UTC) - timedelta(minutes=runs)
    syncs = [
        _make_sync(rows[number % len(rows)], number, begin + timedelta(minutes=number))
        for number in range(runs)
    ]
    engine = make_engine(parse_database_url(services.settings.state_url))
    with begin_transaction(engine, writes=True) as connection:
        connection.execute(insert(sync_jobs), [job_columns(job) for job, _ in syncs])
        connection.execute(insert(ingestion_history), [sync_columns(line) for _, line in syncs])
    engine.dispose()
    for job, _ in syncs:
        failed = job.ended_as is JobStatus.FAILED
        status = dg.DagsterRunStatus.FAILURE if failed else dg.DagsterRunStatus.SUCCESS
        tags = {
            PARTITION_TAG: job.partition_key,
            JOB_TAG: job.job_id,
            REQUESTED_BY_TAG: job.requested_by,
        }
        instance.add_run(dg.DagsterRun(SYNC_JOB_NAME, job.job_id, status=status, tags=tags))


def _make_sync(row: TrackedRepository, number: int, at: datetime) -> tuple[Job, SyncRecord]:
    """Return the job and the line of the history that a run leaves."""
    has_failed = number % _FAILED_OF == 0
    error = "It does not answer." if has_failed else ""
    line = SyncRecord(
        partition_key=row.partition_key,
        source=row.source,
        run_id=str(uuid.uuid4()),
        status=SyncStatus.FAILED if has_failed else SyncStatus.COMPLETE,
        started_at=at,
        duration_seconds=4.0 + number % 7,
        files=120,
        points_changed=37,
        error=error,
        files_parsed=8,
        points_embedded=37,
    )
    job = Job(
        job_id=line.run_id,
        source=row.source,
        partition_key=row.partition_key,
        options=DEFAULT_OPTIONS.to_json(),
        requested_by=_REQUESTER,
        accepted_at=at,
        dispatched_at=at,
        started_at=at,
        ended_at=at + timedelta(seconds=line.duration_seconds),
        ended_as=JobStatus.FAILED if has_failed else JobStatus.COMPLETED,
        error=error,
        result="" if has_failed else describe_result(line),
    )
    return job, line
