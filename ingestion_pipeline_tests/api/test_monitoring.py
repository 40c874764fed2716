"""Liveness, readiness, numbers and the worker's status over real HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status
from prometheus_client.parser import text_string_to_metric_families

from ingestion_pipeline.api.readiness import ReadinessChecks
from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.core.state import SyncProgress, SyncRecord, SyncStatus
from ingestion_pipeline.points.edge_lock import EdgeLock
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.orchestration.dagster_runs import add_run, beat
from ingestion_pipeline_tests.orchestration.world import KEY, World

CHECKS = ("state", "dagster_storage", "daemon", "point_store")
STATUS_PATH = "/api/v1/ingestion/worker/status"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One on disk of this test's own, as some tests break it."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    overrides = {"run_monitoring": {"enabled": True}}
    with dg.DagsterInstance.local_temp(str(folder), overrides=overrides) as opened:
        yield opened


@pytest.fixture
def client(world: World, instance: dg.DagsterInstance) -> Iterator[httpx.Client]:
    with serve(world.services, instance) as opened:
        yield opened


def break_dagster(world: World) -> None:
    """Make Dagster's storage of runs unreadable."""
    database = world.folder / "dagster" / "history" / "runs.db"
    database.write_bytes(b"this is no database" * 100)


def read_numbers(client: httpx.Client) -> dict[str, float]:
    """Return sample → value, as a Prometheus server reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    numbers: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            numbers[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return numbers


class DeadStateStore(FakeStateStore):
    """Its database is gone."""

    def find_progress(self, run_id: str) -> SyncProgress | None:
        raise TransientError("The database at db.internal:5432 does not answer.")


class HangingStateStore(FakeStateStore):
    """Answers once it is let go, and notes who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def find_progress(self, run_id: str) -> SyncProgress | None:
        self.asked += 1
        self.reached.set()
        self.let_go.wait()
        return None


def test_health_asks_nothing(world: World, instance: dg.DagsterInstance) -> None:
    world.services.state = DeadStateStore()
    with serve(world.services, instance) as client:
        break_dagster(world)
        assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_is_when_everything_answers(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    beat(instance, world.clock.now())
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": dict.fromkeys(CHECKS, "ok")}


def test_a_silent_daemon_is_named(client: httpx.Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "checks": {
            **dict.fromkeys(CHECKS, "ok"),
            "daemon": "No heartbeat lately of: queued run coordinator, monitoring, sensor.",
        },
    }


def test_one_that_fails_is_named_alone_and_without_its_address(
    world: World, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    beat(instance, world.clock.now())
    world.services.state = DeadStateStore()
    with serve(world.services, instance) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    said = {**dict.fromkeys(CHECKS, "ok"), "state": "It failed. The server's log says why."}
    assert answer.json()["checks"] == said
    assert "db.internal" in caplog.text


def test_a_dagster_that_is_broken_is_not_ready(client: httpx.Client, world: World) -> None:
    break_dagster(world)
    checks = client.get("/readyz").json()["checks"]
    assert {name for name, said in checks.items() if said != "ok"} == {"dagster_storage", "daemon"}
    assert str(world.folder) not in str(checks)


def test_one_that_hangs_is_named_and_not_asked_again(
    world: World, instance: dg.DagsterInstance
) -> None:
    store = HangingStateStore()
    world.services.state = store
    checks = ReadinessChecks(world.services, instance, limit_seconds=0.5)
    try:
        assert asyncio.run(checks.ask())["state"] == "No answer within 0.5 s."
        assert store.reached.wait(timeout=30)
        assert asyncio.run(checks.ask())["state"] == "No answer within 0.5 s."
        assert store.asked == 1
    finally:
        store.let_go.set()


def test_the_lock_of_the_embedded_store_is_not_waited_for(
    world: World, instance: dg.DagsterInstance
) -> None:
    beat(instance, world.clock.now())
    root = world.folder / "qdrant"
    with closing(EdgePointStore(root)) as ours, closing(EdgePointStore(root)) as theirs:
        ours.ensure_collection(world.services.collection)
        ours.close()
        world.services.store = theirs
        lock = EdgeLock(root / ".locks", world.services.collection.name)
        lock.acquire(timeout_seconds=30)
        try:
            checks = ReadinessChecks(world.services, instance, limit_seconds=30)
            assert asyncio.run(checks.ask()) == dict.fromkeys(CHECKS, "ok")
        finally:
            lock.release()


def record_sync(world: World, run_id: str, seconds: float, status: SyncStatus, full: bool) -> None:
    now = world.clock.advance(60)
    source = world.row.source
    line = SyncRecord(KEY, source, run_id, status, now, seconds, is_full=full)
    world.state.record_sync(line)


def test_the_numbers_are_those_of_state_and_queue(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    record_sync(world, "first", 42.5, SyncStatus.COMPLETE, full=True)
    record_sync(world, "second", 1.0, SyncStatus.COMPLETE, full=False)
    record_sync(world, "third", 2.0, SyncStatus.COMPLETE, full=False)
    record_sync(world, "fourth", 5000.0, SyncStatus.FAILED, full=False)
    now = world.clock.now()
    beat(instance, now - timedelta(seconds=7))
    add_run(instance, Status.QUEUED, created_at=now - timedelta(seconds=90))
    add_run(instance, Status.STARTED)
    numbers = read_numbers(client)
    wanted = {
        "ingestion_syncs_total{status=complete}": 3,
        "ingestion_syncs_total{status=failed}": 1,
        "ingestion_syncs_total{status=canceled}": 0,
        "ingestion_completed_syncs_total{kind=full}": 1,
        "ingestion_completed_syncs_total{kind=incremental}": 2,
        "ingestion_sync_duration_seconds_bucket{le=1.0,status=complete}": 1,
        "ingestion_sync_duration_seconds_bucket{le=2.5,status=complete}": 2,
        "ingestion_sync_duration_seconds_bucket{le=30.0,status=complete}": 2,
        "ingestion_sync_duration_seconds_bucket{le=60.0,status=complete}": 3,
        "ingestion_sync_duration_seconds_bucket{le=+Inf,status=complete}": 3,
        "ingestion_sync_duration_seconds_count{status=complete}": 3,
        "ingestion_sync_duration_seconds_sum{status=complete}": 45.5,
        "ingestion_sync_duration_seconds_bucket{le=3600.0,status=failed}": 0,
        "ingestion_sync_duration_seconds_bucket{le=+Inf,status=failed}": 1,
        "ingestion_tracked_repositories{status=active}": 1,
        "ingestion_tracked_repositories{status=not_found}": 0,
        "ingestion_failing_repositories": 1,
        "ingestion_unindexed_repositories": 1,
        "ingestion_points": 0,
        "ingestion_webhook_deliveries{status=pending}": 0,
        "ingestion_webhook_deliveries{status=dead}": 0,
        "ingestion_queued_jobs": 0,
        "ingestion_queued_runs": 1,
        "ingestion_oldest_queued_run_age_seconds": 90,
        "ingestion_running_runs": 1,
        "ingestion_daemon_heartbeat_age_seconds{daemon=sensor}": 7,
        "ingestion_daemon_heartbeat_age_seconds{daemon=monitoring}": 7,
        "ingestion_daemon_heartbeat_age_seconds{daemon=queued_run_coordinator}": 7,
        "ingestion_source_up{source=state}": 1,
        "ingestion_source_up{source=dagster_storage}": 1,
    }
    assert {name: numbers.get(name) for name in wanted} == wanted
    assert not [name for name in numbers if KEY in name]
    assert "ingestion_api_rate_limit_remaining" not in numbers


def test_another_server_says_the_same(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    record_sync(world, "first", 42.5, SyncStatus.COMPLETE, full=True)
    with serve(world.services, instance) as other:
        assert read_numbers(other) == read_numbers(client)


def test_what_cannot_be_read_is_missing_and_said_to_be_down(
    client: httpx.Client, world: World
) -> None:
    break_dagster(world)
    numbers = read_numbers(client)
    assert numbers["ingestion_source_up{source=dagster_storage}"] == 0
    assert numbers["ingestion_source_up{source=state}"] == 1
    assert "ingestion_queued_runs" not in numbers
    assert "ingestion_points" in numbers


def test_what_the_worker_is_at(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    assert client.get(STATUS_PATH).json() == {"status": "Offline"}
    beat(instance, world.clock.now())
    add_run(instance)
    assert client.get(STATUS_PATH).json() == {"status": "Training Graph on github.com/octo/cat"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", STATUS_PATH),
        ("GET", "/api/v1/sync/status"),
        ("POST", f"/api/repositories/{KEY}/sync"),
        ("POST", f"/api/v1/ingestion/ingest/{KEY}"),
    ],
)
def test_a_queue_that_does_not_answer_is_unavailable(
    client: httpx.Client, world: World, method: str, path: str
) -> None:
    break_dagster(world)
    answer = client.request(method, path)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"]
    detail = "Queue unavailable: Dagster's storage does not answer."
    assert answer.json()["detail"] == detail
    assert world.state.jobs.list_unended() == []
