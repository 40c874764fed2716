"""What Dagster's storage says of its daemons, its queue and the newest runs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import dagster as dg
from dagster import DagsterRunStatus as Status
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster._daemon.cli import _get_heartbeat_tolerance
from dagster._daemon.controller import get_daemon_statuses
from dagster._daemon.daemon import MonitoringDaemon, SensorDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.orchestration.cursor import SensorCursor
from ingestion_pipeline.orchestration.history import explain_failure
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.orchestration.run_process import is_lost
from ingestion_pipeline.orchestration.sensors import FRESHNESS_SENSOR_NAME

# Without one of them nothing is queued, started or ended.
NEEDED_DAEMONS = tuple(
    daemon.daemon_type() for daemon in (QueuedRunCoordinatorDaemon, MonitoringDaemon, SensorDaemon)
)
_AT_WORK = [Status.STARTING, Status.STARTED]
# The command line's job, and the one of runs that Dagster's UI and backfills start.
_JOB_NAMES = (SYNC_JOB_NAME, "__ASSET_JOB")
# Among so many of the newest runs one of a repository is looked for; trainings have no partition.
_NEWEST = 20


class QueueUnavailableError(TransientError):
    """Dagster's storage does not answer; its own words, which may name hosts, are the cause."""


class WorkerState(StrEnum):
    """What whoever works on the queue is at."""

    OFFLINE = "Offline"
    TRAINING = "Training Graph on"
    ERROR = "Error:"
    IDLE = "Idle"


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What whoever works on the queue is at, with a repository or a message where that has one."""

    state: WorkerState
    detail: str = ""

    def __str__(self) -> str:
        """Return it in words, for example ``Training Graph on github.com/pallets/flask``."""
        return f"{self.state} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """How the queue is.

    Args:
        queued: Runs that wait.
        running: Runs that are being started, at work or being ended.
        oldest_queued_at: Since when the oldest one waits, None where none does.
        heartbeats: Daemon → its newest heartbeat, of the needed ones that ever had one.
        rate_limit: What the hosts said last that they let us ask, None where that is over.
    """

    queued: int
    running: int
    oldest_queued_at: datetime | None
    heartbeats: Mapping[str, datetime]
    rate_limit: RateLimit | None


@contextmanager
def storage_answers() -> Iterator[None]:
    """Say so where Dagster's storage, of whichever kind, does not answer.

    Raises:
        QueueUnavailableError: It does not.
    """
    try:
        yield
    except (SQLAlchemyError, DagsterPostgresException) as error:
        raise QueueUnavailableError("Dagster's storage does not answer.") from error


def read_worker_status(services: Services, instance: dg.DagsterInstance) -> WorkerStatus:
    """Return what the worker is at; a handful of queries however many runs there were.

    Raises:
        QueueUnavailableError: Dagster's storage does not answer.
    """
    with storage_answers():
        silent = find_silent_daemons(instance, services.clock.now())
        at_work = _find_at_work(instance)
        ended = _find_ended(instance)
    if silent:
        return WorkerStatus(WorkerState.OFFLINE)
    if at_work is not None:
        return WorkerStatus(WorkerState.TRAINING, _locate(services.state, at_work))
    if ended is not None and ended.status is Status.FAILURE:
        return WorkerStatus(WorkerState.ERROR, explain_failure(services.state, ended))
    return WorkerStatus(WorkerState.IDLE)


def find_silent_daemons(instance: dg.DagsterInstance, now: datetime) -> Sequence[str]:
    """Return the needed daemons that the instance wants and that gave no sign of life lately.

    Lately is what Dagster tolerates: half an hour, or ``DAGSTER_DAEMON_HEARTBEAT_TOLERANCE``
    seconds, and the half minute between two heartbeats.
    """
    statuses = get_daemon_statuses(
        instance,
        NEEDED_DAEMONS,
        now.timestamp(),
        ignore_errors=True,  # those of a sensor's tick are no reason to call the daemon dead
        heartbeat_tolerance_seconds=_get_heartbeat_tolerance(),
    )
    return [name for name, status in statuses.items() if status.required and not status.healthy]


def read_queue_facts(instance: dg.DagsterInstance, now: datetime) -> QueueFacts:
    """Return how the queue is.

    Raises:
        QueueUnavailableError: Dagster's storage does not answer.
    """
    with storage_answers():
        waiting = dg.RunsFilter(statuses=[Status.QUEUED])
        oldest = instance.get_run_records(waiting, limit=1, ascending=True)
        heartbeats = instance.get_daemon_heartbeats()
        return QueueFacts(
            queued=instance.get_runs_count(waiting),
            running=instance.get_runs_count(
                dg.RunsFilter(statuses=[*_AT_WORK, Status.CANCELING]),
            ),
            oldest_queued_at=oldest[0].create_timestamp if oldest else None,
            heartbeats={
                name: datetime.fromtimestamp(heartbeats[name].timestamp, UTC)
                for name in NEEDED_DAEMONS
                if name in heartbeats
            },
            rate_limit=_read_rate_limit(instance, now),
        )


def _find_at_work(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    newest = instance.get_run_records(dg.RunsFilter(statuses=_AT_WORK), limit=_NEWEST)
    runs = (record.dagster_run for record in newest)
    return next((run for run in runs if PARTITION_TAG in run.tags and not is_lost(run)), None)


def _find_ended(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """Return the sync that ended last, those left out that somebody cancelled."""
    found: list[dg.RunRecord] = []
    for job_name in _JOB_NAMES:
        wanted = dg.RunsFilter(job_name=job_name, statuses=[Status.SUCCESS, Status.FAILURE])
        newest = instance.get_run_records(wanted, limit=_NEWEST, order_by="update_timestamp")
        found += [record for record in newest if PARTITION_TAG in record.dagster_run.tags]
    last = max(found, key=_read_end, default=None)
    return last.dagster_run if last else None


def _read_end(record: dg.RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()


def _locate(state: StateStore, run: dg.DagsterRun) -> str:
    key = run.tags[PARTITION_TAG]
    row = state.find_repository(key)
    return row.address if row else key


def _read_rate_limit(instance: dg.DagsterInstance, now: datetime) -> RateLimit | None:
    """Return what the freshness sensor remembers between its ticks."""
    ticked: list[SensorInstigatorData] = []
    for sensor in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = sensor.instigator_data
        if sensor.instigator_name == FRESHNESS_SENSOR_NAME and isinstance(
            data, SensorInstigatorData
        ):
            ticked.append(data)
    newest = max(ticked, key=lambda data: data.last_tick_timestamp or 0.0, default=None)
    return SensorCursor.parse(newest.cursor).remember(None, now) if newest else None
