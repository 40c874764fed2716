"""Ctrl-C in the terminal of ``dagster dev``."""

from pathlib import Path

import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import open_deployment
from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, find_processes
from ingestion_pipeline_tests.end_to_end.samples import CAT
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.servers.git_http import HANG


@pytest.mark.skipif(not HAS_PROC, reason="Processes are found through /proc, which is not here.")
def test_interrupt_ends_every_process_a_hanging_fetch_too(tmp_path: Path) -> None:
    seldom = {"INGESTION_SENSOR_INTERVAL_SECONDS": "3600"}
    with open_deployment(tmp_path, seldom) as deployment:
        deployment.add_repository("octo/cat", CAT)
        with open_dagster_dev(deployment) as dev:
            dev.wait_for_tick(after=0)
            deployment.track("octo/cat")
            deployment.git.misbehaviour = HANG
            run_id = dev.launch("octo/cat")
            wait_for(
                lambda: any(request.method == "POST" for request in deployment.git.requests),
                "the fetch",
            )
            run_pid = dev.get_run_pid(run_id)
            before = find_processes(deployment.home)
            assert run_pid in {process.pid for process in before}
            assert any(b"git\0" in process.command_line for process in before), before
            dev.interrupt()
            wait_for(lambda: not find_processes(deployment.home), "every process to end")
            assert dev.process.wait(timeout=10) is not None
        with deployment.open_instance() as instance:
            run = instance.get_run_by_id(run_id)
            assert run is not None
            assert run.is_finished, run.status
