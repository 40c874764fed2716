"""Sensors that act when a run has ended, also while the HTTP door is not up.

Jobs get their end, and with it their webhook into the outbox; jobs that nobody handed over yet are
handed over; and a run that was cancelled or died without a word gets its line in the history.
"""

from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.state import SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.job_runs import JobRuns
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.orchestration.tags import SKIPPED_TAG

_NAMES = {
    Status.SUCCESS: "jobs_succeeded",
    Status.FAILURE: "jobs_failed",
    Status.CANCELED: "jobs_canceled",
}
_DIED = "The run ended without a word: its process was killed, or run monitoring ended it."


def make_run_end_sensors() -> list[dg.SensorDefinition]:
    """Return one sensor for each way in which a run can end; Dagster has none for several."""
    return [_make_sensor(status, name) for status, name in _NAMES.items()]


def _make_sensor(status: Status, name: str) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=name,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells jobs of the HTTP API that their run has ended, and their webhooks.",
    )
    def note_end(context: dg.RunStatusSensorContext, services: dg.ResourceParam[Services]) -> None:
        note_run_end(services, context.instance, context.dagster_run)

    return note_end


def note_run_end(services: Services, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Do what is to be done at the end of a run; done twice, it changes nothing more."""
    if run.status is Status.FAILURE:
        _record_end(services, instance, run, SyncStatus.FAILED, _DIED)
    elif run.status is Status.CANCELED and SKIPPED_TAG not in run.tags:
        _record_end(services, instance, run, SyncStatus.CANCELED)
    JobRuns(services, instance).tend()


def _record_end(
    services: Services,
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    status: SyncStatus,
    error: str = "",
) -> None:
    """Add the line of a run that wrote none itself."""
    key = run.tags.get(PARTITION_TAG)
    if key is None:
        return  # of another job than a sync
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or services.state.find_sync(run.run_id) is not None:
        return
    begun = record.start_time or record.create_timestamp.timestamp()
    ended = record.end_time or begun
    row = services.state.find_repository(key)
    services.state.record_sync(
        SyncRecord(
            partition_key=key,
            source=row.source if row else None,
            run_id=run.run_id,
            status=status,
            started_at=datetime.fromtimestamp(begun, UTC),
            duration_seconds=max(0.0, ended - begun),
            error=error,
        )
    )
