"""What the worker is at, read from heartbeats and runs."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)

from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.state import SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.cursor import SensorCursor
from ingestion_pipeline.orchestration.run_process import PROCESS_TAG
from ingestion_pipeline.orchestration.worker_status import (
    NEEDED_DAEMONS,
    QueueUnavailableError,
    find_silent_daemons,
    read_queue_facts,
    read_worker_status,
)
from ingestion_pipeline_tests.orchestration.dagster_runs import add_run, beat, succeed
from ingestion_pipeline_tests.orchestration.world import KEY, World

NO_PROCESS = 2**22 + 1  # above Linux' highest process id


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One on disk: the one in memory wants no daemons."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    overrides = {"run_monitoring": {"enabled": True}}
    with dg.DagsterInstance.local_temp(str(folder), overrides=overrides) as opened:
        yield opened


@pytest.fixture
def live(world: World, instance: dg.DagsterInstance) -> World:
    beat(instance, world.clock.now())
    return world


def ask(world: World, instance: dg.DagsterInstance) -> str:
    return str(read_worker_status(world.services, instance))


def test_a_daemon_that_never_lived_is_offline(world: World, instance: dg.DagsterInstance) -> None:
    assert find_silent_daemons(instance, world.clock.now()) == list(NEEDED_DAEMONS)
    assert ask(world, instance) == "Offline"


def test_a_daemon_is_offline_after_what_dagster_tolerates(
    live: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(instance)
    live.clock.advance(1830)
    assert ask(live, instance) == "Training Graph on github.com/octo/cat"
    live.clock.advance(1)
    assert ask(live, instance) == "Offline"
    monkeypatch.setenv("DAGSTER_DAEMON_HEARTBEAT_TOLERANCE", "3600")
    assert ask(live, instance) == "Training Graph on github.com/octo/cat"


def test_nothing_to_do_is_idle(live: World, instance: dg.DagsterInstance) -> None:
    assert ask(live, instance) == "Idle"
    add_run(instance, Status.QUEUED)
    assert ask(live, instance) == "Idle"


@pytest.mark.parametrize("status", [Status.STARTING, Status.STARTED])
def test_the_newest_run_at_work_is_named(
    live: World, instance: dg.DagsterInstance, status: Status
) -> None:
    add_run(instance, key="octo/older")
    add_run(instance, status)
    add_run(instance, key=None, job_name="purge_untracked")
    lost = {PROCESS_TAG: f"{socket.gethostname()}:{NO_PROCESS}"}
    add_run(instance, key="octo/lost", tags=lost)
    assert ask(live, instance) == "Training Graph on github.com/octo/cat"


def test_what_is_not_tracked_has_its_name_alone(live: World, instance: dg.DagsterInstance) -> None:
    add_run(instance, key="octo/unknown")
    assert ask(live, instance) == "Training Graph on octo/unknown"


def test_a_failure_is_said_until_the_next_success(
    live: World, instance: dg.DagsterInstance
) -> None:
    failed, cancelled = add_run(instance), add_run(instance)
    instance.report_run_failed(failed)
    instance.report_run_canceled(cancelled)
    succeed(instance, add_run(instance, key=None, job_name="purge_untracked"))
    succeed(instance, add_run(instance, job_name="preview_sync"))
    assert ask(live, instance) == "Error: Its run failed. Dagster's UI shows why."
    now = live.clock.now()
    line = SyncRecord(KEY, None, failed.run_id, SyncStatus.FAILED, now, 1.0, error="No room.")
    live.state.record_sync(line)
    assert ask(live, instance) == "Error: No room."
    succeed(instance, add_run(instance, job_name="__ASSET_JOB"))
    assert ask(live, instance) == "Idle"


def test_the_last_to_end_counts_and_not_the_last_to_begin(
    live: World, instance: dg.DagsterInstance
) -> None:
    earlier, later = add_run(instance), add_run(instance, key="octo/dog")
    succeed(instance, later)
    instance.report_run_failed(earlier)
    assert ask(live, instance).startswith("Error: ")


def test_a_storage_that_does_not_answer_is_said(
    live: World, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "dagster" / "history" / "runs.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(QueueUnavailableError, match="does not answer"):
        read_worker_status(live.services, instance)
    with pytest.raises(QueueUnavailableError, match="does not answer"):
        read_queue_facts(instance, live.clock.now())


def test_the_queue_is_counted(live: World, instance: dg.DagsterInstance) -> None:
    first = datetime(2026, 1, 31, 11, tzinfo=UTC)
    for hours in (0, 1):
        add_run(instance, Status.QUEUED, created_at=first + timedelta(hours=hours))
    for status in (Status.STARTING, Status.STARTED, Status.CANCELING, Status.SUCCESS):
        add_run(instance, status)
    facts = read_queue_facts(instance, live.clock.now())
    assert (facts.queued, facts.running) == (2, 3)
    assert facts.oldest_queued_at == first
    assert facts.heartbeats == dict.fromkeys(NEEDED_DAEMONS, live.clock.now())
    assert facts.rate_limit is None


def test_an_empty_queue_has_no_oldest(world: World, instance: dg.DagsterInstance) -> None:
    facts = read_queue_facts(instance, world.clock.now())
    assert (facts.queued, facts.oldest_queued_at, facts.heartbeats) == (0, None, {})


def test_the_rate_limit_is_the_one_that_the_sensor_was_told(
    live: World, instance: dg.DagsterInstance
) -> None:
    now = live.clock.now()
    known = RateLimit(4321, 5000, now + timedelta(minutes=5))
    remember(instance, "old", RateLimit(1, 5000, now + timedelta(minutes=9)), 1.0)
    remember(instance, "new", known, 2.0)
    assert read_queue_facts(instance, now).rate_limit == known
    assert read_queue_facts(instance, now + timedelta(minutes=6)).rate_limit is None


def remember(
    instance: dg.DagsterInstance, location: str, limit: RateLimit, ticked_at: float
) -> None:
    """Leave the state of the freshness sensor as a daemon with this location leaves it."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
    data = SensorInstigatorData(
        last_tick_timestamp=ticked_at, cursor=SensorCursor("", limit).format()
    )
    instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(repository, "repository_freshness"),
            InstigatorType.SENSOR,
            InstigatorStatus.RUNNING,
            data,
        )
    )
