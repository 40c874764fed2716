"""Lines of the ingestion history, for runs that end and for runs that fail."""

import json
from datetime import UTC, datetime

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.state import StateStore, SyncRecord, SyncStatus
from ingestion_pipeline.indexing.handles import SyncResult
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG


def record_success(state: StateStore, clock: Clock, run_id: str, result: SyncResult) -> None:
    """Append the line of a sync that ended well."""
    parsed = result.embedded.parsed
    repository = parsed.cloned.repository
    state.record_sync(
        SyncRecord(
            partition_key=repository.partition_key,
            source=repository.source,
            run_id=run_id,
            status=SyncStatus.COMPLETE,
            started_at=parsed.cloned.started_at,
            duration_seconds=(clock.now() - parsed.cloned.started_at).total_seconds(),
            files=result.files,
            points_added=result.added,
            points_changed=result.changed,
            points_deleted=result.deleted,
            files_parsed=parsed.files_parsed,
            points_embedded=result.embedded.points_embedded,
            is_full=parsed.cloned.is_full,
            commits_pulled=parsed.cloned.commits_pulled,
        )
    )


def describe_result(record: SyncRecord) -> str:
    """Return what a job keeps of a sync that ended well, as JSON."""
    return json.dumps(
        {
            "files": record.files,
            "points_added": record.points_added,
            "points_changed": record.points_changed,
            "points_deleted": record.points_deleted,
            "points_embedded": record.points_embedded,
            "duration_seconds": record.duration_seconds,
            "is_full": record.is_full,
            "commits_pulled": record.commits_pulled,
        }
    )


@dg.failure_hook(required_resource_keys={"services"})
def record_failure(context: dg.HookContext) -> None:
    """Append the line of a sync whose op failed."""
    services: Services = context.resources.services
    run = context.instance.get_run_by_id(context.run_id)
    key = run.tags.get(PARTITION_TAG, "") if run else ""
    stats = context.instance.get_run_record_by_id(context.run_id)
    now = services.clock.now()
    started = stats.start_time if stats and stats.start_time else now.timestamp()
    tracked = services.state.find_repository(key)
    services.state.record_sync(
        SyncRecord(
            partition_key=key,
            source=tracked.source if tracked else None,
            run_id=context.run_id,
            status=SyncStatus.FAILED,
            started_at=datetime.fromtimestamp(started, UTC),
            duration_seconds=max(0.0, now.timestamp() - started),
            error=_read_message(context.op_exception),
        )
    )


def _read_message(error: BaseException | None) -> str:
    # What asked for one retry too many has no words of its own.
    cause = error.__cause__ if isinstance(error, dg.RetryRequested) else error
    return str(cause or "unknown")


def explain_failure(state: StateStore, run: dg.DagsterRun) -> str:
    """Return why a run failed, as its line of the history says, or where that can be read."""
    line = state.find_sync(run.run_id)
    return (line.error if line else "") or "Its run failed. Dagster's UI shows why."
