"""The queue while nobody works on it: who is refused, what is kept, and what waits for too long."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment
from ingestion_pipeline_tests.end_to_end.door import DISPATCH, TOKEN, Door, open_door
from ingestion_pipeline_tests.end_to_end.samples import CAT
from ingestion_pipeline_tests.end_to_end.services import Service
from ingestion_pipeline_tests.end_to_end.waiting import wait_for

READ_TOKEN = "may-look-and-no-more"
QUEUE_SIZE = 10
NAMES = [f"octo/cat-{number}" for number in range(QUEUE_SIZE + 1)]
TTL_SECONDS = 8


@contextmanager
def open_idle_deployment(folder: Path, **variables: str) -> Iterator[Deployment]:
    """Yield a deployment that nobody works in."""
    always = {
        "DAGSTER_HOME": str(folder / "home"),
        "INGESTION_ADMIN_TOKEN": TOKEN,
        "INGESTION_READ_TOKEN": READ_TOKEN,
    }
    with open_deployment(folder, {**always, **variables}) as deployment:
        for name in NAMES:
            deployment.add_repository(name, CAT)
        yield deployment


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with open_idle_deployment(tmp_path_factory.mktemp("queue")) as opened:
        yield opened


@pytest.fixture(scope="module")
def door(deployment: Deployment) -> Iterator[Door]:
    with open_door(deployment) as opened:
        yield opened


def dispatch(door: Door, name: str) -> httpx.Response:
    return door.client.post(f"{DISPATCH}/127.0.0.1/{name}")


def test_without_a_daemon_the_worker_is_offline(door: Door) -> None:
    assert door.read_worker() == "Offline"


def test_a_token_for_reading_changes_nothing(door: Door) -> None:
    headers = {"Authorization": f"Bearer {READ_TOKEN}"}
    assert door.client.get("/api/v1/repositories", headers=headers).status_code == 200
    for path in (f"{DISPATCH}/127.0.0.1/{NAMES[0]}", f"/api/repositories/{NAMES[0]}/sync"):
        answer = door.client.post(path, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["detail"] == "This token may only read."
    assert door.client.get("/metrics", headers={"Authorization": ""}).status_code == 401


def test_one_job_too_many_is_refused_and_not_kept(door: Door) -> None:
    answers = [dispatch(door, name) for name in NAMES]
    *accepted, refused = answers
    places = [(a.json()["queue_position"], a.json()["queue_size"]) for a in accepted]
    assert places == [(number, number) for number in range(1, QUEUE_SIZE + 1)]
    assert refused.status_code == 429
    assert refused.headers["Retry-After"]
    body = refused.json()
    assert body["detail"] == "Queue is full (10 pending tasks). Please try again later."
    assert (body["queue_size"], body["max_queue_size"]) == (QUEUE_SIZE, QUEUE_SIZE)

    job_ids = [answer.json()["job_id"] for answer in accepted]
    assert door.client.post(f"/api/v1/jobs/{job_ids[0]}/cancel").status_code == 202
    assert door.wait_for_end(job_ids[0])["status"] == "cancelled"
    job_ids[0] = dispatch(door, NAMES[-1]).json()["job_id"]
    for job_id in job_ids:
        assert door.client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    assert {door.wait_for_end(job_id)["status"] for job_id in job_ids} == {"cancelled"}


def test_who_waits_for_too_long_is_skipped(tmp_path: Path) -> None:
    with (
        open_idle_deployment(tmp_path, INGESTION_JOB_TTL_SECONDS=str(TTL_SECONDS)) as deployment,
        open_door(deployment) as door,
    ):
        door.track(NAMES[0])
        first = door.wait_for_end(door.accept(NAMES[0]))
        second = door.accept(NAMES[0])
        wait_for(lambda: read_run_status(deployment, second) == "QUEUED", "the run to be there")
        door.kill()
        too_late = datetime.now(UTC) + timedelta(seconds=TTL_SECONDS)
        wait_for(lambda: datetime.now(UTC) > too_late, "the job to be too old")
        let_daemon_take(deployment, second)
        door.start()
        for job in (first, door.wait_for_end(second)):
            assert (job["status"], job["error"]) == ("skipped", "Task exceeded TTL")
        address = door.read_address(NAMES[0])
        skipped = [line for line in door.read_history() if line["status"] == "skipped"]
        assert len(skipped) == 2
        for line in skipped:
            assert (line["repo_url"], line["reason"]) == (address, "Task exceeded TTL")
            assert line["age_seconds"] >= TTL_SECONDS


def let_daemon_take(deployment: Deployment, run_id: str) -> None:
    """Have a daemon take a run out of the queue, which is too old to be started."""
    daemon = Service(deployment, "dagster-daemon", "run", "-w", "workspace.yaml")
    daemon.start()
    try:
        wait_for(lambda: read_run_status(deployment, run_id) == "CANCELED", "the run to be ended")
    finally:
        daemon.kill()


def read_run_status(deployment: Deployment, run_id: str) -> str:
    with deployment.open_instance() as instance:
        run = instance.get_run_by_id(run_id)
        return run.status.value if run else ""
