import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG

from ingestion_pipeline.orchestration import resources
from ingestion_pipeline.orchestration.launch import SyncFailedError, sync_partition
from ingestion_pipeline.orchestration.ops import GPU_POOL
from ingestion_pipeline.orchestration.partitions import PARTITIONS_NAME
from ingestion_pipeline.orchestration.run_process import (
    PROCESS_TAG,
    free_lost_slots,
    is_lost,
    make_process_tags,
    note_process,
)
from ingestion_pipeline_tests.orchestration.world import KEY, World

HERE = socket.gethostname()


@pytest.fixture(scope="module")
def dead_pid() -> int:
    """The id of a process that has ended and was waited for."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def make_run(
    tags: Mapping[str, str],
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    parent_run_id: str | None = None,
) -> dg.DagsterRun:
    return dg.DagsterRun(
        job_name="sync_repository",
        tags=tags,
        status=status,
        parent_run_id=parent_run_id,
        root_run_id=parent_run_id,
    )


def test_a_started_run_whose_process_is_gone_is_lost(dead_pid: int) -> None:
    assert is_lost(make_run({PROCESS_TAG: f"{HERE}:{dead_pid}"}))


def test_a_run_killed_before_its_first_op_is_lost(dead_pid: int) -> None:
    dead, made = {PROCESS_TAG: f"{HERE}:{dead_pid}"}, dg.DagsterRunStatus.NOT_STARTED
    assert is_lost(make_run(dead, made))
    assert not is_lost(make_run(make_process_tags(), made))
    assert not is_lost(make_run(dead, made, parent_run_id="the killed one"))


def test_runs_that_others_answer_for_are_not_lost(dead_pid: int) -> None:
    dead = {PROCESS_TAG: f"{HERE}:{dead_pid}"}
    assert not is_lost(make_run({}))
    assert not is_lost(make_run({PROCESS_TAG: f"{HERE}:{os.getpid()}"}))
    assert not is_lost(make_run({PROCESS_TAG: f"elsewhere.{HERE}:{dead_pid}"}))
    assert not is_lost(make_run({**dead, GRPC_INFO_TAG: "{}"}))
    assert not is_lost(make_run(dead, dg.DagsterRunStatus.STARTING))


def test_every_run_notes_its_process(world: World, instance: dg.DagsterInstance) -> None:
    result = world.sync(instance, KEY)
    assert result.success
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[PROCESS_TAG] == f"{HERE}:{os.getpid()}"
    note_process(instance, result.run_id)
    again = instance.get_run_by_id(result.run_id)
    assert again is not None
    assert again.tags == run.tags


def test_a_run_of_the_command_line_names_its_process_when_it_is_made(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if killed before it noted anything; the run itself fails, for want of a row."""
    monkeypatch.setenv("INGESTION_HOME", str(tmp_path))
    monkeypatch.setattr(resources, "note_process", lambda _instance, _run_id: None)
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["local/none-abcdef"])
    with pytest.raises(SyncFailedError, match="local/none-abcdef is not tracked"):
        sync_partition(instance, "local/none-abcdef")
    [run] = instance.get_runs()
    assert run.tags[PROCESS_TAG] == f"{HERE}:{os.getpid()}"


def test_a_run_killed_while_it_embedded_gives_its_slot_back(tmp_path: Path, dead_pid: int) -> None:
    """Else every later run waits for ever where no daemon looks after it."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots(GPU_POOL, 1)
        lost = _make_started_run(instance, {PROCESS_TAG: f"{HERE}:{dead_pid}"})
        alive = _make_started_run(instance, make_process_tags())
        assert storage.claim_concurrency_slot(GPU_POOL, lost, "embed").is_claimed
        assert not storage.claim_concurrency_slot(GPU_POOL, alive, "embed").is_claimed
        free_lost_slots(instance)
        assert storage.claim_concurrency_slot(GPU_POOL, alive, "embed").is_claimed
        free_lost_slots(instance)
        assert storage.get_concurrency_info(GPU_POOL).active_run_ids == {alive}


def _make_started_run(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> str:
    @dg.job
    def nothing() -> None:
        pass

    run = instance.create_run_for_job(nothing, tags=tags)
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(started, run.run_id)
    return run.run_id
