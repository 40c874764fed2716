"""Running one partition in this process, through Dagster, for the command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from ingestion_pipeline.core.errors import IngestionError
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, SyncOptions
from ingestion_pipeline.orchestration.build import build_definitions
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME, make_run_config
from ingestion_pipeline.orchestration.run_process import make_process_tags


class SyncFailedError(IngestionError):
    """A run in this process did not succeed; the message is the op's own."""


@dataclass(frozen=True, slots=True)
class SyncRun:
    """A run that succeeded.

    Args:
        run_id: Dagster's.
        metadata: Of the materialization.
        failed_checks: Names of asset checks that did not pass.
    """

    run_id: str
    metadata: Mapping[str, object]
    failed_checks: tuple[str, ...]


def sync_partition(
    instance: dg.DagsterInstance,
    partition_key: str,
    options: SyncOptions = DEFAULT_OPTIONS,
) -> SyncRun:
    """Materialize one partition now and wait for it.

    Raises:
        SyncFailedError: An op failed.
        KeyboardInterrupt: Ctrl-C; Dagster makes it a failure of the op, and a caller with several
            partitions would go on with the next.
    """
    job = build_definitions().resolve_job_def(SYNC_JOB_NAME)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = job.execute_in_process(
        instance=instance,
        partition_key=partition_key,
        run_config=quiet | make_run_config(options),
        raise_on_error=False,
        tags=make_process_tags(),
    )
    if _was_interrupted(result):
        raise KeyboardInterrupt
    if not result.success:
        raise SyncFailedError(_explain(result))
    [event] = result.get_asset_materialization_events()
    shown = event.step_materialization_data.materialization.metadata
    failed = tuple(
        check.check_name for check in result.get_asset_check_evaluations() if not check.passed
    )
    metadata = {name: value.value for name, value in shown.items()}
    return SyncRun(result.run_id, metadata, failed)


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    name = dg.DagsterExecutionInterruptedError.__name__
    events = result.all_events
    errors = [event.step_failure_data.error for event in events if event.is_step_failure]
    errors += [event.job_failure_data.error for event in events if event.is_run_failure]
    return any(error is not None and error.cls_name == name for error in errors)


def _explain(result: dg.ExecuteInProcessResult) -> str:
    """Return the message of the innermost error of the first failed op, else of the run."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            if data.error is not None:
                return _find_message(data.error)
    for event in result.all_events:
        if event.is_run_failure and event.job_failure_data.error is not None:
            return _find_message(event.job_failure_data.error)
    return f"Run {result.run_id} did not succeed; Dagster's UI shows why."


def _find_message(error: SerializableErrorInfo) -> str:
    while error.cause is not None:
        error = error.cause
    # Dagster writes "package.module.NameOfError: " in front.
    return re.sub(rf"^[\w.]*\b{error.cls_name}: ", "", error.message.strip())
