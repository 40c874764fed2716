"""Dagster and the HTTP door in one terminal: ``ingestion-pipeline dev``."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment
from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, find_processes
from ingestion_pipeline_tests.end_to_end.samples import CAT
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.postgres import find_free_port
from ingestion_pipeline_tests.servers.git_http import HANG

pytestmark = pytest.mark.skipif(
    not HAS_PROC, reason="Processes are found through /proc, which is not here."
)
# How a script starts what it puts in the background: SIGINT is ignored.
IN_BACKGROUND = ("/bin/sh", "-c", 'trap \'\' INT; exec "$0" "$@"')


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_ctrl_c_ends_both_and_a_run_in_progress(tmp_path: Path) -> None:
    door = f"http://127.0.0.1:{(http_port := find_free_port())}"
    with open_deployment(tmp_path) as deployment:
        deployment.add_repository("octo/cat", CAT)
        deployment.track("octo/cat")
        deployment.git.misbehaviour = HANG
        program = (str(deployment.find_program("ingestion-pipeline")), "dev")
        command = (*IN_BACKGROUND, *program, "--http-port", str(http_port))
        with open_dagster_dev(deployment, command) as dev:
            wait_for(lambda: answers(f"{door}/healthz"), "the HTTP door")
            for url in (door, dev.url):
                wait_for(lambda url=url: f" listens on {url}\n" in dev.read_output(), url)
            wait_for(
                lambda: any(request.method == "POST" for request in deployment.git.requests),
                "the freshness sensor's run to fetch",
            )
            [run] = dev.list_runs("octo/cat")
            assert run.status == "STARTED"
            dev.interrupt()
            assert dev.process.wait(60) == 0, dev.read_output()
            assert find_processes(deployment.home) == []
            assert "Killed" not in dev.read_output()
        with deployment.open_instance() as instance:
            ended = instance.get_run_by_id(run.run_id)
            assert ended is not None
            assert ended.is_finished, ended.status


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("Dagster", b"dagster\0dev\0"), ("The HTTP door", b"serve\0")],
    ids=["dagster", "door"],
)
def test_when_one_is_killed_the_other_ends(tmp_path: Path, name: str, arguments: bytes) -> None:
    ports = {"port": find_free_port(), "http_port": find_free_port()}
    with open_deployment(tmp_path) as deployment:
        options = ("--port", str(ports["port"]), "--http-port", str(ports["http_port"]))
        process = deployment.start("ingestion-pipeline", "dev", *options)
        try:
            door = f"http://127.0.0.1:{ports['http_port']}/healthz"
            wait_for(lambda: answers(door) or process.poll() is not None, "the HTTP door")
            os.kill(find_process(deployment, arguments), signal.SIGKILL)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 1, output
        assert f"Error: {name} ended by itself, with status -9" in output
        assert find_processes(deployment.home) == []


def find_process(deployment: Deployment, arguments: bytes) -> int:
    [found] = [p.pid for p in find_processes(deployment.home) if arguments in p.command_line]
    return found
