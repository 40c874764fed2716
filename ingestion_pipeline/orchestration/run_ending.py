"""Runs of a partition that have not ended, and ending them."""

import dagster as dg
from dagster import DagsterRunStatus as Status
from dagster._core.storage.tags import MAX_RETRIES_TAG
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from ingestion_pipeline.core.errors import RepositoryBusyError
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.orchestration.run_facts import IN_PROGRESS
from ingestion_pipeline.orchestration.run_process import is_lost

# One for all jobs: what is done under it is short, and each lock of a file leaves the file.
JOBS_LOCK = "jobs"
WAITING = frozenset({Status.NOT_STARTED, Status.QUEUED})
_ENDABLE = WAITING | {Status.STARTING, Status.STARTED}
_LOCK_SECONDS = 10.0


def list_partition_runs(instance: dg.DagsterInstance, partition_key: str) -> list[dg.DagsterRun]:
    """Return a partition's runs that are queued or in progress, whoever asked for them.

    Those that belonged to a process of this machine which is gone are left out.
    """
    wanted = dg.RunsFilter(tags={PARTITION_TAG: partition_key}, statuses=IN_PROGRESS)
    runs = (record.dagster_run for record in instance.get_run_records(wanted))
    return [run for run in runs if not is_lost(run)]


def interrupt_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Ask a run to end, once: a second interrupt would break into its cleaning up.

    A run whose process is just starting would not see it, fail, and be tried again; it is to be
    asked as soon as it has started. The caller holds the lock of jobs.
    """
    now = instance.get_run_by_id(run.run_id)
    if now is None or now.status not in _ENDABLE:
        return
    instance.add_run_tags(now.run_id, {MAX_RETRIES_TAG: "0"})
    if now.status is not Status.STARTING:
        end_run(instance, now)


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """End a run that has not ended: at once while it waits, else as soon as its process may."""
    if run.status in WAITING:
        instance.report_run_canceling(run, message="Cancelling the run before its start.")
        instance.report_run_canceled(run)
    else:
        instance.run_launcher.terminate(run.run_id)


@retry(
    retry=retry_if_exception_type(RepositoryBusyError),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(_LOCK_SECONDS),
    reraise=True,
)
def end_partition_runs(state: StateStore, instance: dg.DagsterInstance, partition_key: str) -> None:
    """Ask all runs of a partition to end.

    Raises:
        RepositoryBusyError: Others were handing jobs over all the time.
    """
    with state.lock_source(JOBS_LOCK):
        for run in list_partition_runs(instance, partition_key):
            interrupt_run(instance, run)
