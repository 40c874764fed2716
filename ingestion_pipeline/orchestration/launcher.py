"""The default run launcher with a health check, and with a time after which a run is too late.

Without the check, a run lost with its host or code server stays STARTED until
``max_runtime_seconds``; with it, run monitoring ends it at its next poll and queues the retry.
"""

from datetime import UTC, datetime

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import (
    CheckRunHealthResult,
    DefaultRunLauncher,
    LaunchRunContext,
    WorkerStatus,
)
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from ingestion_pipeline.orchestration.run_process import is_lost
from ingestion_pipeline.orchestration.tags import NOT_AFTER_TAG, SKIPPED_TAG


class HealthCheckedRunLauncher(DefaultRunLauncher):
    """Starts runs as processes of the code server and can tell whether they still live."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run; one that waited in the queue for longer than it may ends here instead."""
        run = context.dagster_run
        if _is_too_late(run):
            self._instance.add_run_tags(run.run_id, {SKIPPED_TAG: "true"})
            self._instance.report_run_canceled(run, message="It waited in the queue for too long.")
        else:
            super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Ask the code server whether the run's process lives.

        A run that no code server started (``dagster asset materialize``) counts as running unless
        its process was one of this machine and is gone.
        """
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None and is_lost(run):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The run's process is gone.")
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        request = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(request, timeout=10)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The code server is gone.")
        alive = deserialize_value(answer, CanCancelExecutionResult).can_cancel
        return CheckRunHealthResult(WorkerStatus.RUNNING if alive else WorkerStatus.NOT_FOUND)


def _is_too_late(run: DagsterRun) -> bool:
    """Whether the first try of a run had to begin earlier; a later try had begun in time."""
    not_after = run.tags.get(NOT_AFTER_TAG)
    if not_after is None or run.parent_run_id is not None:
        return False
    return datetime.now(UTC) > datetime.fromisoformat(not_after)
