"""Syncs asked for over real HTTP; nobody runs them here."""

from dataclasses import replace
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status
from pydantic import SecretStr

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.jobs import JobStatus
from ingestion_pipeline.core.repositories import SourceId, SourceKind, TrackedRepository
from ingestion_pipeline.core.state import SyncProgress
from ingestion_pipeline.orchestration.history import describe_result
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.api.settings import configure
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World
from ingestion_pipeline_tests.state.samples import make_sync

PATH = f"/api/repositories/{KEY}/sync"


def test_what_is_accepted_is_described(client: httpx.Client, world: World) -> None:
    answer = client.post(PATH, json={"full_reindex": True})
    assert answer.status_code == 202
    body = answer.json()
    job_id = body.pop("job_id")
    assert body == {
        "status": "queued",
        "repository_id": "1",
        "repository": KEY,
        "created_at": "2026-01-31T12:00:00Z",
        "started_at": None,
        "ended_at": None,
        "cancel_asked_at": None,
        "estimated_completion": None,
        "error": None,
        "commits_pulled": None,
        "result": None,
        "progress": {
            "percentage": 0,
            "files_processed": 0,
            "files_total": 0,
            "current_file": None,
            "stage": None,
            "updated_at": None,
        },
        "options": {
            "force": False,
            "full_reindex": True,
            "incremental": False,
            "pull_remote": False,
            "remote": "origin",
            "branches": None,
            "ignore_patterns": None,
        },
    }
    assert client.get(f"/api/v1/jobs/{job_id}").json() == {"job_id": job_id, **body}


@pytest.mark.parametrize("name", [KEY, "octo%2Fcat", "1"])
def test_a_repository_has_several_names(client: httpx.Client, name: str) -> None:
    assert client.post(f"/api/repositories/{name}/sync").status_code == 202


@pytest.mark.parametrize("name", ["octo/dog", "99", "octo", "local/cat", "a%00b"])
def test_what_is_not_tracked_is_not_found(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/api/repositories/{name}/sync")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"full_reindex": "perhaps"}, "full_reindex"),
        ([], "body: "),
        ({"full_reindex": True, "incremental": True}, "incremental: full_reindex and incremental"),
        ({"branch": "main", "branches": ["main"]}, "branch: branch and branches"),
        ({"branches": ["main", "develop"]}, "branches: develop is not tracked"),
        ({"branch": "develop"}, "branch: develop is not tracked"),
        ({"branches": [""]}, "branches.0"),
        ({"branches": "main"}, "branches"),
        ({"remote": "upstream"}, "remote: There is no remote 'upstream'"),
        ({"ignore_patterns": ["[z-"]}, "ignore_patterns: The ignore pattern '[z-'"),
        ({"ignore_patterns": [1]}, "ignore_patterns.0"),
        ({"progress_webhook": "https://example.com/hook"}, "INGESTION_WEBHOOK_SIGNING_SECRET"),
    ],
)
def test_options_that_cannot_be_followed_are_named(
    client: httpx.Client, world: World, body: Any, said: str
) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert world.state.jobs.list_unended() == []


def test_a_local_repository_has_no_remote(client: httpx.Client, world: World) -> None:
    source = SourceId(SourceKind.LOCAL, "7")
    hosted = replace(world.row.hosted, source=source, full_name="local/dog", web_url="")
    world.state.save_repository(TrackedRepository("local/dog", hosted))
    path = "/api/repositories/local/dog/sync"
    refused = client.post(path, json={"pull_remote": True})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "pull_remote"
    assert client.post(path, json={"pull_remote": False}).status_code == 202


def test_options_reach_the_run(client: httpx.Client, instance: dg.DagsterInstance) -> None:
    asked: dict[str, Any] = {
        "full_reindex": True,
        "branches": ["main", "main"],
        "ignore_patterns": ["*.pyc"],
        "pull_remote": True,
        "remote": "origin",
    }
    job = client.post(PATH, json=asked).json()
    assert job["options"]["branches"] == ["main"]
    run = wait_for(lambda: instance.get_run_by_id(job["job_id"]), "the job's run")
    config: Any = run.run_config
    ops = config["ops"]["repository_points"]["ops"]
    assert ops["clone_repository"]["config"] == {
        "full_reindex": True,
        "allow_mass_deletion": False,
        "branches": ["main"],
        "ignore_patterns": ["*.pyc"],
    }
    assert run.tags["ingestion/requested_by"] == "the HTTP API (127.0.0.1)"
    assert run.tags["ingestion/not_after"] == "2026-02-01T12:00:00Z"


@pytest.mark.parametrize("asked", [{"branches": ["current"]}, {"branch": "current"}, {}])
def test_the_current_branches_are_those_that_are_tracked(
    client: httpx.Client, asked: dict[str, Any]
) -> None:
    assert client.post(PATH, json=asked).json()["options"]["branches"] is None


def test_a_completed_job_says_what_was_done(client: httpx.Client, world: World) -> None:
    record = make_sync("run", files=9, commits_pulled=4)
    world.state.record_sync(replace(record, partition_key=KEY))
    job_id = client.post(PATH).json()["job_id"]
    at = world.clock.now()
    result = describe_result(record)
    world.state.jobs.record_ended(job_id, JobStatus.COMPLETED, at, result=result)
    job = client.get(f"/api/v1/jobs/{job_id}").json()
    assert (job["commits_pulled"], job["result"]["files"]) == (4, 9)
    assert job["progress"]["percentage"] == 100


def test_a_webhook_inside_the_network_is_refused(client: httpx.Client, world: World) -> None:
    configure(world, webhook_signing_secret=SecretStr("whsec_" + "a" * 44))
    answer = client.post(PATH, json={"progress_webhook": "http://169.254.169.254/latest"})
    assert answer.status_code == 422
    assert client.post(PATH, json={"progress_webhook": "https://example.com/h"}).status_code == 202


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("application/x-www-form-urlencoded", b'{"full_reindex": true}', "Content-Type"),
        ("application/json", b"{bad", "JSON"),
    ],
)
def test_a_body_that_is_no_json_is_told_so(
    client: httpx.Client, content_type: str, body: bytes, message: str
) -> None:
    answer = client.post(PATH, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "body"
    assert message in error["message"]


def test_one_sync_at_a_time(client: httpx.Client) -> None:
    job_id = client.post(PATH).json()["job_id"]
    answer = client.post(PATH)
    assert answer.status_code == 409
    body = answer.json()
    assert (body["job_id"], body["error"]) == (job_id, "Sync already in progress")
    assert body["message"] == "Sync already in progress"
    assert body["progress"]["percentage"] == 0


def test_a_run_that_nobody_asked_for_here_is_in_progress_too(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    run = dg.DagsterRun(
        job_name="sync_repository",
        run_id="of-the-sensor",
        status=Status.STARTED,
        tags={PARTITION_TAG: KEY},
    )
    instance.run_storage.add_run(run)
    now = world.clock.now()
    world.state.set_progress(SyncProgress("of-the-sensor", KEY, "embed", 1, 2, "a.py", now, 45))
    answer = client.post(PATH)
    assert (answer.status_code, answer.json()["job_id"]) == (409, "of-the-sensor")
    progress = answer.json()["progress"]
    assert (progress["percentage"], progress["files_processed"]) == (45, 1)
    assert progress["updated_at"] == format_utc(now)


def test_another_try_of_a_jobs_run_is_that_job(
    client: httpx.Client, instance: dg.DagsterInstance
) -> None:
    job_id = client.post(PATH, headers={"Idempotency-Key": "k"}).json()["job_id"]
    tags = {PARTITION_TAG: KEY, "ingestion/job_id": job_id}
    retry = dg.DagsterRun("sync_repository", run_id="retry", status=Status.STARTED, tags=tags)
    instance.run_storage.add_run(retry)
    refused = client.post(PATH)
    assert (refused.status_code, refused.json()["job_id"]) == (409, job_id)
    again = client.post(PATH, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["job_id"]) == (202, job_id)


def test_a_refused_force_ends_nobodys_run(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    first = client.post(PATH, headers={"Idempotency-Key": "k"}, json={"force": True}).json()
    world.state.jobs.record_ended(first["job_id"], JobStatus.COMPLETED, world.clock.now())
    for run in instance.get_runs():
        instance.report_run_canceled(run)
    tags = {PARTITION_TAG: KEY}
    run = dg.DagsterRun("sync_repository", run_id="sensors", status=Status.NOT_STARTED, tags=tags)
    instance.run_storage.add_run(run)
    again = client.post(PATH, headers={"Idempotency-Key": "k"}, json={"force": True})
    assert (again.status_code, again.json()["job_id"]) == (202, first["job_id"])
    other = client.post(PATH, headers={"Idempotency-Key": "k"}, json={"full_reindex": True})
    assert other.status_code == 422
    left = instance.get_run_by_id("sensors")
    assert left is not None
    assert left.status is Status.NOT_STARTED


def test_only_so_many_wait(client: httpx.Client, world: World) -> None:
    configure(world, max_queued_jobs=1)
    client.post(PATH)
    world.host.add(make_hosted("octo/dog", 2), {})
    track_repository("octo/dog", None, world.services.hosts, world.state, world.clock)
    answer = client.post("/api/repositories/octo/dog/sync")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "10"
    body = answer.json()
    assert body["detail"] == "Queue is full (1 pending tasks). Please try again later."
    assert (body["queue_size"], body["max_queue_size"]) == (1, 1)
    assert client.post(PATH, json={"force": True}).status_code == 202  # in the other one's place


def test_the_same_key_is_the_same_job(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "monday"}
    first = client.post(PATH, headers=headers)
    again = client.post(PATH, headers=headers)
    assert (again.status_code, again.json()["job_id"]) == (202, first.json()["job_id"])
    other = client.post(PATH, headers=headers, json={"full_reindex": True})
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]


def test_what_has_not_changed_is_not_sent_again(client: httpx.Client, world: World) -> None:
    job_id = client.post(PATH).json()["job_id"]
    first = client.get(f"/api/v1/jobs/{job_id}")
    headers = {"If-None-Match": first.headers["ETag"]}
    assert client.get(f"/api/v1/jobs/{job_id}", headers=headers).status_code == 304
    client.post(f"/api/v1/jobs/{job_id}/cancel")
    assert client.get(f"/api/v1/jobs/{job_id}", headers=headers).status_code == 200


@pytest.mark.parametrize("given", ["{}", 'W/"x", {}', "*"])
def test_an_etag_may_be_one_of_several(client: httpx.Client, given: str) -> None:
    job_id = client.post(PATH).json()["job_id"]
    etag = client.get(f"/api/v1/jobs/{job_id}").headers["ETag"]
    headers = {"If-None-Match": given.format(etag)}
    assert client.get(f"/api/v1/jobs/{job_id}", headers=headers).status_code == 304


def test_a_job_is_cancelled_once(client: httpx.Client, world: World) -> None:
    job_id = client.post(PATH).json()["job_id"]
    assert client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    world.state.jobs.record_ended(job_id, JobStatus.CANCELLED, world.clock.now())
    assert client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 409
    assert client.post("/api/v1/jobs/nothing/cancel").status_code == 404
    assert client.get("/api/v1/jobs/nothing").status_code == 404


def test_a_job_that_is_accepted_is_logged_once(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ingestion_pipeline.api.jobs")
    headers = {"Idempotency-Key": "monday"}
    job_id = client.post(PATH, headers=headers).json()["job_id"]
    client.post(PATH, headers=headers)
    [record] = [item for item in caplog.records if item.name == "ingestion_pipeline.api.jobs"]
    assert record.getMessage() == f"Job {job_id} accepted: sync octo/cat"
    fields = {name: record.__dict__[name] for name in ("job_id", "repository", "status")}
    assert fields == {"job_id": job_id, "repository": KEY, "status": "queued"}
