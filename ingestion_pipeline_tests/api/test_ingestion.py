"""Ingesting by URL, syncing everything, and the history, over real HTTP."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.core.errors import AuthenticationError, HostUnavailableError, IngestionError
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import SyncStatus
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline_tests.api.settings import configure
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World
from ingestion_pipeline_tests.state.samples import make_sync

INGEST = "/api/v1/ingest"
DISPATCH = "/api/v1/ingestion/ingest"


def add_dog(world: World) -> None:
    world.host.add(make_hosted("octo/dog", 2), world.heads)


@pytest.mark.parametrize(
    "url",
    [
        "octo/dog",
        "github.com/octo/dog",
        "https://github.com/octo/dog.git",
        "git@github.com:octo/dog",
    ],
)
def test_what_is_ingested_is_tracked_and_queued(
    client: httpx.Client, world: World, url: str
) -> None:
    add_dog(world)
    answer = client.post(INGEST, json={"url": url})
    assert answer.status_code == 202
    assert (answer.json()["repository"], answer.json()["status"]) == ("octo/dog", "queued")
    assert {row.partition_key for row in world.state.list_repositories()} == {KEY, "octo/dog"}
    assert client.post(INGEST, json={"url": url}).status_code == 409


def test_what_is_dispatched_says_its_place(client: httpx.Client, world: World) -> None:
    add_dog(world)
    first = client.post(f"{DISPATCH}/github.com/octo/cat")
    job_id = first.json().pop("job_id")
    assert first.status_code == 200
    assert first.json() == {
        "status": "dispatched",
        "job_id": job_id,
        "queue_position": 1,
        "target": "ingestion_pipeline",
        "queue_size": 1,
        "max_queue_size": 10,
    }
    world.clock.advance(1)
    second = client.post(
        f"{DISPATCH}/https://github.com/octo/dog", headers={"Idempotency-Key": "k"}
    )
    assert (second.json()["queue_position"], second.json()["queue_size"]) == (2, 2)
    world.state.jobs.record_ended(job_id, JobStatus.COMPLETED, world.clock.now())
    again = client.post(f"{DISPATCH}/https://github.com/octo/dog", headers={"Idempotency-Key": "k"})
    assert (again.json()["job_id"], again.json()["queue_position"]) == (second.json()["job_id"], 1)


@pytest.mark.parametrize("url", ["nothing", "gitlab.com/octo/cat", "https://github.com/octo"])
def test_what_is_no_repository_of_the_host_is_refused(
    client: httpx.Client, world: World, url: str
) -> None:
    for answer in (client.post(f"{DISPATCH}/{url}"), client.post(INGEST, json={"url": url})):
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert [row.partition_key for row in world.state.list_repositories()] == [KEY]


@pytest.mark.parametrize("url", ["/etc", "../../etc", ".", "a\x00/b", "", "local/cat/x"])
def test_nothing_of_the_servers_own_disk_is_ingested(client: httpx.Client, url: str) -> None:
    assert client.post(INGEST, json={"url": url}).status_code == 400


def test_a_malformed_url_is_told_as_the_document_has_it(client: httpx.Client) -> None:
    answer = client.post(f"{DISPATCH}/github.com/octo")
    assert answer.json()["detail"].startswith("Invalid repository URL")


def test_what_the_host_does_not_have_is_not_found(client: httpx.Client) -> None:
    assert client.post(INGEST, json={"url": "octo/nothing"}).status_code == 404


@pytest.mark.parametrize(
    "error", [HostUnavailableError("api.internal is down"), AuthenticationError("Set a token.")]
)
def test_a_host_that_does_not_answer_is_a_503(
    client: httpx.Client, world: World, error: IngestionError
) -> None:
    world.host.break_down(error)
    answer = client.post(INGEST, json={"url": "octo/dog"})
    assert answer.status_code == 503
    assert "api.internal" not in answer.text


@pytest.mark.parametrize(
    "body", [{}, {"url": 1}, {"url": "o/n", "branch": "x"}, {"url": "x" * 501}]
)
def test_a_malformed_ingestion_names_its_field(
    client: httpx.Client, body: dict[str, object]
) -> None:
    answer = client.post(INGEST, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in {"url", "branch"}


def test_a_full_queue_is_told(client: httpx.Client, world: World) -> None:
    add_dog(world)
    configure(world, max_queued_jobs=1)
    client.post(INGEST, json={"url": KEY})
    answer = client.post(f"{DISPATCH}/github.com/octo/dog")
    assert answer.status_code == 429
    assert (answer.json()["queue_size"], answer.json()["max_queue_size"]) == (1, 1)


def test_what_is_refused_tracks_nothing(client: httpx.Client, world: World) -> None:
    add_dog(world)
    configure(world, max_queued_jobs=1)
    headers = {"Idempotency-Key": "k"}
    first = client.post(INGEST, json={"url": KEY}, headers=headers)
    assert client.post(INGEST, json={"url": "octo/dog"}).status_code == 429
    assert client.post(INGEST, json={"url": "octo/dog"}, headers=headers).status_code == 422
    assert [row.partition_key for row in world.state.list_repositories()] == [KEY]
    client.delete(f"/api/v1/repositories/{KEY}")
    again = client.post(INGEST, json={"url": KEY}, headers=headers)
    assert (again.status_code, again.json()["job_id"]) == (202, first.json()["job_id"])
    assert world.state.list_repositories() == []


def test_a_sync_of_everything_begins_once(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    assert client.get("/api/v1/sync/status").json() == {
        "status": "idle",
        "progress": 1,
        "total": 1,
        "sync_id": None,
        "problem": None,
    }
    first = client.post("/api/v1/sync")
    assert first.status_code == 202
    sync_id = first.json()["sync_id"]
    assert first.json() == {"status": "started", "sync_id": sync_id, "total": 1}
    assert client.post("/api/v1/sync").json()["sync_id"] == sync_id
    status = client.get("/api/v1/sync/status").json()
    assert (status["status"], status["progress"], status["total"]) == ("running", 0, 1)
    [job] = wait_for(lambda: world.state.jobs.list_unended() or None, "a job")
    assert job.sweep_id == sync_id
    assert client.post("/api/v1/sync").json()["sync_id"] == sync_id
    status = client.get("/api/v1/sync/status").json()
    assert (status["status"], status["progress"], status["total"]) == ("running", 0, 1)
    queued = dg.RunsFilter(run_ids=[job.job_id], statuses=[Status.QUEUED])
    [run] = wait_for(lambda: instance.get_runs(queued) or None, "the job's run")
    instance.report_run_canceled(run)
    idle = wait_for(lambda: read_idle(client), "the sync to end")
    assert (idle["progress"], idle["total"], idle["sync_id"]) == (1, 1, sync_id)


def read_idle(client: httpx.Client) -> dict[str, Any] | None:
    status = client.get("/api/v1/sync/status").json()
    return status if status["status"] == "idle" else None


def test_whatever_is_under_way_shows(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    tags = {PARTITION_TAG: KEY}
    run = dg.DagsterRun("sync_repository", run_id="sensors", status=Status.STARTED, tags=tags)
    instance.run_storage.add_run(run)
    status = client.get("/api/v1/sync/status").json()
    assert (status["status"], status["progress"], status["total"]) == ("running", 0, 1)


def test_the_history_has_the_documents_shapes(client: httpx.Client, world: World) -> None:
    assert client.get("/api/v1/ingestion/jobs/history").json() == {"jobs": []}
    now = world.clock.now()
    record = replace(make_sync("a"), partition_key=KEY, started_at=now, duration_seconds=7.5)
    world.state.record_sync(replace(record, files_parsed=3, points_embedded=5))
    failed = replace(
        record, run_id="b", status=SyncStatus.FAILED, error="Failed to clone repository"
    )
    world.state.record_sync(replace(failed, started_at=now - timedelta(hours=1)))
    job = Job("j", world.row.source, KEY, "{}", "a test", now - timedelta(seconds=90000))
    world.state.jobs.accept(job, 9)
    world.state.jobs.record_ended("j", JobStatus.SKIPPED, now, "Task exceeded TTL")
    body = client.get("/api/v1/ingestion/jobs/history").json()
    assert body == {
        "jobs": [
            {
                "repo_url": "github.com/octo/cat",
                "status": "complete",
                "duration_seconds": 7.5,
                "files_processed": 3,
                "embeddings_generated": 5,
                "timestamp": "2026-01-31T12:00:07Z",
            },
            {
                "repo_url": "github.com/octo/cat",
                "status": "skipped",
                "reason": "Task exceeded TTL",
                "age_seconds": 90000,
                "timestamp": "2026-01-31T12:00:00Z",
            },
            {
                "repo_url": "github.com/octo/cat",
                "status": "failed",
                "error": "Failed to clone repository",
                "timestamp": "2026-01-31T11:00:07Z",
            },
        ]
    }
    newest = client.get("/api/v1/ingestion/jobs/history", params={"limit": 1}).json()
    assert newest["jobs"] == body["jobs"][:1]


@pytest.mark.parametrize("limit", ["0", "101", "many"])
def test_the_history_is_so_long_at_most(client: httpx.Client, limit: str) -> None:
    answer = client.get("/api/v1/ingestion/jobs/history", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"
