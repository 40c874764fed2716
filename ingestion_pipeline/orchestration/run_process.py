"""Which process works on a run, so that a killed one is told from a long one.

Code servers answer for the runs that they started. Of a killed ``ingestion-pipeline run`` or
``dagster asset materialize`` nobody would ever hear: Dagster counts it as in progress until
``max_runtime_seconds``, and it keeps every other run out of its partition for as long.
"""

import os
import socket

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

PROCESS_TAG = "ingestion/process"


def note_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write this process onto the run that it works on."""
    instance.add_run_tags(run_id, {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"})


def is_lost(run: dg.DagsterRun) -> bool:
    """Whether a started run belonged to a process of this machine, not a code server's, now gone.

    A run of another machine, or one that noted no process yet, is never called lost.
    """
    host, _, pid = run.tags.get(PROCESS_TAG, "").rpartition(":")
    if run.status is not dg.DagsterRunStatus.STARTED or GRPC_INFO_TAG in run.tags:
        return False
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, and alive
    return False
