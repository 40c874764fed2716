"""Syncs over HTTP: the served door, Dagster's daemon and real runs."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment
from ingestion_pipeline_tests.end_to_end.processes import end_group
from ingestion_pipeline_tests.end_to_end.samples import CAT, read_own_package
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.postgres import find_free_port

SMALL, LARGE = "octo/cat", "octo/pipeline"
TOKEN = "sesame-of-the-test"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ENDED = {"completed", "failed", "cancelled", "skipped"}


class Door:
    """The served application, which can be killed and started again."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._port = find_free_port()
        self._process: subprocess.Popen[str] | None = None
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}", timeout=60, headers=HEADERS, trust_env=False
        )

    def start(self) -> None:
        self._process = self._deployment.start(
            "ingestion-pipeline", "serve", "--port", str(self._port)
        )
        wait_for(self._answers, "the door to open")

    def kill(self) -> None:
        assert self._process is not None
        end_group(self._process.pid)
        self._process.communicate(timeout=30)

    def submit(self, name: str, **options: Any) -> httpx.Response:
        return self.client.post(f"/api/repositories/{name}/sync", json=options)

    def read(self, job_id: str) -> Mapping[str, Any]:
        return self.client.get(f"/api/v1/jobs/{job_id}").json()

    def wait_for_end(self, job_id: str) -> Mapping[str, Any]:
        def look() -> Mapping[str, Any] | None:
            job = self.read(job_id)
            return job if job["status"] in ENDED else None

        return wait_for(look, f"job {job_id} to end")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._process.communicate()[0]
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """A deployment whose sensor is off, so that every run is one that a test asked for."""
    with (
        open_deployment(
            tmp_path_factory.mktemp("door"), {"INGESTION_ADMIN_TOKEN": TOKEN}
        ) as deployment,
        open_dagster_dev(deployment) as opened,
    ):
        opened.wait_for_tick(after=0)
        opened.stop_sensor()
        deployment.add_repository(SMALL, CAT)
        deployment.add_repository(LARGE, read_own_package())
        deployment.track(SMALL, LARGE)
        yield opened


@pytest.fixture(scope="module")
def door(dev: DagsterDev) -> Iterator[Door]:
    opened = Door(dev.deployment)
    opened.start()
    try:
        yield opened
    finally:
        opened.kill()
        opened.client.close()


def list_job_runs(dev: DagsterDev, job_id: str) -> list[str]:
    runs = [run for name in (SMALL, LARGE) for run in dev.list_runs(name)]
    return [run.run_id for run in runs if run.tags.get("ingestion/job_id") == job_id]


def test_a_sync_is_queued_runs_and_is_done(door: Door, dev: DagsterDev) -> None:
    answer = door.submit(SMALL)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["status"], job["repository"]) == ("queued", SMALL)
    assert job["progress"]["percentage"] == 0

    ended = door.wait_for_end(job["job_id"])
    assert (ended["status"], ended["progress"]["percentage"]) == ("completed", 100)
    assert "src/purr.py" in dev.deployment.read_paths(SMALL)
    run = dev.get_run(job["job_id"])  # the job's id is the run's
    assert run.tags["ingestion/requested_by"] == "the HTTP API (127.0.0.1)"
    assert list_job_runs(dev, job["job_id"]) == [job["job_id"]]


def test_without_the_token_nothing_is_queued(door: Door, dev: DagsterDev) -> None:
    before = len(dev.list_runs(SMALL))
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}):
        answer = door.client.post(f"/api/repositories/{SMALL}/sync", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["detail"] == "Invalid or missing authentication token"
    assert len(dev.list_runs(SMALL)) == before


def test_of_many_submissions_one_is_accepted(door: Door, dev: DagsterDev) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: door.submit(SMALL), range(16)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert (len(accepted), len(refused)) == (1, 15)
    job_id = accepted[0].json()["job_id"]
    assert {body["job_id"] for body in refused} == {job_id}
    assert {body["error"] for body in refused} == {"Sync already in progress"}
    assert door.wait_for_end(job_id)["status"] == "completed"
    assert list_job_runs(dev, job_id) == [job_id]


def test_a_job_outlives_the_door(door: Door, dev: DagsterDev) -> None:
    job_id = door.submit(SMALL).json()["job_id"]
    door.kill()
    door.start()
    assert door.wait_for_end(job_id)["status"] == "completed"
    assert list_job_runs(dev, job_id) == [job_id]


def test_a_running_job_is_cancelled(door: Door, dev: DagsterDev) -> None:
    job_id = door.submit(LARGE, full_reindex=True).json()["job_id"]
    wait_for(lambda: door.read(job_id)["status"] == "running", "the job to run")
    answer = door.client.post(f"/api/v1/jobs/{job_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["status"] in ("cancelling", "cancelled")
    assert door.wait_for_end(job_id)["status"] == "cancelled"
    assert dev.get_run(job_id).status == "CANCELED", dev.explain(job_id)
    assert door.client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 409


def test_force_ends_what_is_in_progress_first(door: Door, dev: DagsterDev) -> None:
    first = door.submit(LARGE).json()["job_id"]
    wait_for(lambda: door.read(first)["status"] == "running", "the first job to run")
    assert door.submit(LARGE).status_code == 409
    second = door.submit(LARGE, force=True).json()["job_id"]
    assert door.wait_for_end(second)["status"] == "completed"
    assert door.wait_for_end(first)["status"] == "cancelled"
    [one, two] = dev.list_runs(LARGE)[:2]
    assert (one.run_id, two.run_id) == (second, first)


def test_a_killed_run_is_tried_again_and_is_one_job(door: Door, dev: DagsterDev) -> None:
    job_id = door.submit(LARGE, full_reindex=True).json()["job_id"]
    wait_for(lambda: door.read(job_id)["status"] == "running", "the job to run")
    os.kill(dev.get_run_pid(job_id), signal.SIGKILL)
    assert door.wait_for_end(job_id)["status"] == "completed"
    runs = [run for run in dev.list_runs(LARGE) if run.tags["ingestion/job_id"] == job_id]
    assert [run.status for run in runs] == ["SUCCESS", "FAILURE"]
