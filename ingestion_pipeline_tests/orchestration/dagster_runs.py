"""Runs and heartbeats as a daemon and its runs leave them in Dagster's storage."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus as Status
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.types import DaemonHeartbeat

from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.orchestration.worker_status import NEEDED_DAEMONS
from ingestion_pipeline_tests.orchestration.world import KEY

JOB_NAME = "sync_repository"
REPOSITORY = RemoteRepositoryOrigin(
    RegisteredCodeLocationOrigin("ingestion_pipeline"), "__repository__"
)


def beat(instance: dg.DagsterInstance, at: datetime) -> None:
    """Leave a heartbeat of each daemon that is needed."""
    for name in NEEDED_DAEMONS:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), name, "one", []))


def add_run(
    instance: dg.DagsterInstance,
    status: Status = Status.STARTED,
    *,
    key: str | None = KEY,
    tags: Mapping[str, str] | None = None,
    job_name: str = JOB_NAME,
    created_at: datetime | None = None,
) -> dg.DagsterRun:
    """Add a run of a partition, of none where the key is None."""
    all_tags = {**(tags or {}), **({PARTITION_TAG: key} if key else {})}
    origin = RemoteJobOrigin(REPOSITORY, job_name)
    run_id = str(uuid.uuid4())
    run = dg.DagsterRun(job_name, run_id, status=status, tags=all_tags, remote_job_origin=origin)
    return instance.run_storage.add_historical_run(run, created_at or datetime.now(UTC))


def succeed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """End a run well."""
    kind = dg.DagsterEventType.RUN_SUCCESS.value
    event = dg.DagsterEvent(event_type_value=kind, job_name=run.job_name)
    instance.report_dagster_event(event, run_id=run.run_id)
