"""Syncs over HTTP: the served door, Dagster's daemon and real runs."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_quiet_dagster
from ingestion_pipeline_tests.end_to_end.door import TOKEN, Door, open_door
from ingestion_pipeline_tests.end_to_end.samples import CAT, read_own_package
from ingestion_pipeline_tests.servers.git_http import HANG

SMALL, LARGE = "octo/cat", "octo/pipeline"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    variables = {"INGESTION_ADMIN_TOKEN": TOKEN}
    with open_quiet_dagster(tmp_path_factory.mktemp("door"), variables) as opened:
        opened.deployment.add_repository(SMALL, CAT)
        opened.deployment.add_repository(LARGE, read_own_package())
        yield opened


@pytest.fixture(scope="module")
def door(dev: DagsterDev) -> Iterator[Door]:
    with open_door(dev.deployment) as opened:
        opened.track(SMALL)
        opened.track(LARGE)
        yield opened


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


def test_a_job_is_followed_to_its_end(door: Door) -> None:
    *events, end = door.follow(door.accept(LARGE, full_reindex=True))
    assert {event["event"] for event in events} == {"progress"}
    assert (end["event"], end["data"]["status"]) == ("end", "completed")
    seen = [event["data"]["progress"] for event in events]
    percentages = [progress["percentage"] for progress in seen]
    assert percentages == sorted(percentages)
    for progress in seen:
        assert progress["files_processed"] <= progress["files_total"], progress
    stages = [progress["stage"] for progress in seen if progress["stage"]]
    assert stages == sorted(stages, key=["clone", "parse", "embed", "upsert", "check"].index)
    counts = [progress["files_processed"] for progress in seen if progress["stage"] == "parse"]
    assert counts == sorted(counts)
    assert len({(progress["stage"], progress["files_processed"]) for progress in seen}) > 3, seen


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
    job_id = door.accept(SMALL)
    door.kill()
    door.start()
    assert door.wait_for_end(job_id)["status"] == "completed"
    assert list_job_runs(dev, job_id) == [job_id]


def test_a_running_job_is_cancelled(door: Door, dev: DagsterDev) -> None:
    job_id = door.accept(LARGE, full_reindex=True)
    door.wait_for_status(job_id, "running")
    answer = door.client.post(f"/api/v1/jobs/{job_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["status"] in ("cancelling", "cancelled")
    assert door.wait_for_end(job_id)["status"] == "cancelled"
    assert dev.get_run(job_id).status == "CANCELED", dev.explain(job_id)
    assert door.client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 409


def test_force_ends_what_is_in_progress_first(door: Door, dev: DagsterDev) -> None:
    dev.deployment.push(SMALL, {"src/hiss.py": "def hiss():\n    pass\n"})
    dev.deployment.git.misbehaviour = HANG
    first = door.accept(SMALL)
    door.wait_for_status(first, "running")
    refused = door.submit(SMALL)
    assert refused.status_code == 409
    assert refused.json()["job_id"] == first
    second = door.accept(SMALL, force=True)
    assert door.wait_for_end(first)["status"] == "cancelled"
    dev.deployment.git.release()
    assert door.wait_for_end(second)["status"] == "completed"
    [one, two] = dev.list_runs(SMALL)[:2]
    assert (one.run_id, two.run_id) == (second, first)


def test_a_killed_run_is_tried_again_and_is_one_job(door: Door, dev: DagsterDev) -> None:
    job_id = door.accept(LARGE, full_reindex=True)
    door.wait_for_status(job_id, "running")
    os.kill(dev.get_run_pid(job_id), signal.SIGKILL)
    assert door.wait_for_end(job_id)["status"] == "completed"
    runs = [run for run in dev.list_runs(LARGE) if run.tags["ingestion/job_id"] == job_id]
    assert [run.status for run in runs] == ["SUCCESS", "FAILURE"]
