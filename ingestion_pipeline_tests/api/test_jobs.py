"""Syncs asked for over real HTTP; nobody runs them here."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status
from pydantic import SecretStr

from ingestion_pipeline.api.app import make_app
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.jobs import JobStatus
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World

ROOT = Path(__file__).parents[2]
PATH = f"/api/repositories/{KEY}/sync"


def configure(world: World, **values: Any) -> None:
    world.services.settings = world.services.settings.model_copy(update=values)


@pytest.fixture(scope="module")
def disk_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """The one in memory shares a connection between threads, and the server has several."""
    folder = str(tmp_path_factory.mktemp("dagster"))
    with dg.DagsterInstance.local_temp(folder) as opened:
        yield opened


@pytest.fixture
def instance(disk_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    disk_instance.wipe()
    return disk_instance


@pytest.fixture
def client(world: World, instance: dg.DagsterInstance) -> Iterator[httpx.Client]:
    shutil.copy(ROOT / "workspace.yaml", world.folder)
    with serve(world.services, instance) as opened:
        yield opened


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
        "error": None,
        "progress": {
            "percentage": 0,
            "files_processed": 0,
            "files_total": 0,
            "current_file": None,
            "stage": None,
        },
        "options": {"full_reindex": True, "allow_mass_deletion": False},
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
        ({"full_reindex": True, "incremental": True}, "contradict"),
        ({"progress_webhook": "https://example.com/hook"}, "INGESTION_WEBHOOK_SIGNING_SECRET"),
    ],
)
def test_options_that_cannot_be_followed_are_named(
    client: httpx.Client, world: World, body: dict[str, Any], said: str
) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert world.state.jobs.list_unended() == []


def test_a_webhook_inside_the_network_is_refused(client: httpx.Client, world: World) -> None:
    configure(world, webhook_signing_secret=SecretStr("whsec_" + "a" * 44))
    answer = client.post(PATH, json={"progress_webhook": "http://169.254.169.254/latest"})
    assert answer.status_code == 422
    assert client.post(PATH, json={"progress_webhook": "https://example.com/h"}).status_code == 202


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
    answer = client.post(PATH)
    assert (answer.status_code, answer.json()["job_id"]) == (409, "of-the-sensor")


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


def test_a_token_that_is_none_opens_nothing(world: World, instance: dg.DagsterInstance) -> None:
    configure(world, admin_token=SecretStr(" , "))
    with pytest.raises(ConfigurationError, match="INGESTION_ADMIN_TOKEN"):
        make_app(world.services, instance)


def test_only_who_has_a_token_changes_anything(
    world: World, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    configure(world, admin_token=SecretStr("old-token, new-token"))
    with serve(world.services, instance) as client:
        for given in ("", "Bearer", "Bearer wrong-token", "Basic new-token", "new-token"):
            answer = client.post(PATH, headers={"Authorization": given})
            assert answer.status_code == 401
            assert answer.json()["detail"] == "Invalid or missing authentication token"
        assert client.post("/api/v1/jobs/x/cancel").status_code == 401
        for token in ("old-token", "new-token"):
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
            assert client.post(PATH, headers=headers).status_code == 202
    assert "had no valid token" in caplog.text
    assert "wrong-token" not in caplog.text
