"""The default run launcher with a health check.

Without one, a run lost with its host or code server stays STARTED until ``max_runtime_seconds``;
with it, run monitoring ends it at its next poll and queues the retry.
"""

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from ingestion_pipeline.orchestration.run_process import is_lost


class HealthCheckedRunLauncher(DefaultRunLauncher):
    """Starts runs as processes of the code server and can tell whether they still live."""

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
