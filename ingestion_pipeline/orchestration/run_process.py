"""Which process works on a run, so that a killed one is told from a long one.

Code servers answer for the runs that they started. Of a killed ``ingestion-pipeline run`` or
``dagster asset materialize`` nobody would ever hear: Dagster counts it as in progress until
``max_runtime_seconds``, and it keeps every other run out of its partition for as long.
"""

import os
import socket
from collections.abc import Mapping

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

PROCESS_TAG = "ingestion/process"


def note_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write this process onto the run that it works on."""
    instance.add_run_tags(run_id, make_process_tags())


def make_process_tags() -> Mapping[str, str]:
    """Return the tags of a run that this process works on, for runs that it makes itself.

    Given when a run is made they also tell of one that was killed before its first op.
    """
    return {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def is_lost(run: dg.DagsterRun) -> bool:
    """Whether a run belonged to a process of this machine, not a code server's, that is gone.

    A run of another machine, or one that noted no process yet, is never called lost; nor one that
    waits to be started and has its tags from the run that it repeats.
    """
    own = run.status is dg.DagsterRunStatus.NOT_STARTED and run.parent_run_id is None
    if not (own or run.status is dg.DagsterRunStatus.STARTED) or GRPC_INFO_TAG in run.tags:
        return False
    return _is_process_gone(run)


def free_lost_slots(instance: dg.DagsterInstance) -> None:
    """Give back what runs hold of pools that are over, or whose process of this machine is gone.

    The daemon does so too, half a minute later. Where none runs, the pool of a run that was killed
    while it embedded would keep every later run waiting for ever.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished or _is_process_gone(run):
            storage.free_concurrency_slots_for_run(run_id)


def _is_process_gone(run: dg.DagsterRun) -> bool:
    host, _, pid = run.tags.get(PROCESS_TAG, "").rpartition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, and alive
    return False
