"""The examples of the documents that describe this work, over HTTP: submit, sync, look, be told."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_quiet_dagster
from ingestion_pipeline_tests.end_to_end.deployment import Deployment
from ingestion_pipeline_tests.end_to_end.door import DISPATCH, TOKEN, Door, open_door
from ingestion_pipeline_tests.end_to_end.samples import CAT, CAT_PATHS
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.git_repositories import Files
from ingestion_pipeline_tests.servers.git_http import HANG
from ingestion_pipeline_tests.servers.webhook_receiver import SeenWebhook, WebhookReceiver

SIGNING_SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0wMTIzNDU2Nzg5"
VARIABLES = {
    "INGESTION_ADMIN_TOKEN": TOKEN,
    "INGESTION_WEBHOOK_SIGNING_SECRET": SIGNING_SECRET,
    "INGESTION_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    with open_quiet_dagster(tmp_path_factory.mktemp("documents"), VARIABLES) as opened:
        yield opened


@pytest.fixture(scope="module")
def door(dev: DagsterDev) -> Iterator[Door]:
    with open_door(dev.deployment) as opened:
        yield opened


@pytest.fixture
def deployment(dev: DagsterDev) -> Iterator[Deployment]:
    """The hosts, which behave again however a test ends."""
    yield dev.deployment
    dev.deployment.git.status = 0
    dev.deployment.git.release()


def add_synced(deployment: Deployment, door: Door, name: str, files: Files) -> None:
    deployment.add_repository(name, files)
    door.track(name)
    door.sync(name)


def make_files(numbers: Sequence[int], content: str) -> dict[str, str]:
    return {f"src/page_{n}.py": f"def {content}_{n}():\n    return {n}\n" for n in numbers}


def hold_fetches(deployment: Deployment, name: str) -> None:
    """Push something, and keep every run from fetching it until the host is released."""
    # Contents of its own: what was parsed or embedded once is taken from the cache.
    deployment.push(name, {"src/held.py": f"def hold_{name.partition('/')[2]}():\n    pass\n"})
    deployment.git.misbehaviour = HANG


def find_line(door: Door, name: str) -> dict[str, Any]:
    """Return the newest line of a repository in the history."""
    address = door.read_address(name)
    return next(line for line in door.read_history() if line["repo_url"] == address)


# -- ingesting, and syncing everything


def test_an_untracked_repository_is_ingested(door: Door, deployment: Deployment) -> None:
    name = "octo/new"
    deployment.add_repository(name, CAT)
    url = deployment.github.get_repository(name)
    answer = door.client.post("/api/v1/ingest", json={"url": f"http://127.0.0.1/{name}.git"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    assert door.wait_for_end(answer.json()["job_id"])["status"] == "completed"
    assert door.get(f"/api/v1/repositories/{name}")["repository"] == name
    points = deployment.read_points(name)
    assert {point.payload["path"] for point in points} - {""} == CAT_PATHS
    assert {point.payload["last_pushed_at"] for point in points} == {url.pushed_at}
    assert all(point.payload["last_indexed_at"] for point in points)


def test_a_sync_of_everything_syncs_what_was_pushed(
    door: Door, dev: DagsterDev, deployment: Deployment
) -> None:
    pushed, unchanged = "octo/pushed", "octo/unchanged"
    for name in (pushed, unchanged):
        deployment.add_repository(name, CAT)
        door.track(name)
    sync_everything(door)
    assert {deployment.read_paths(name) == CAT_PATHS for name in (pushed, unchanged)} == {True}
    before = {name: len(dev.list_runs(name)) for name in (pushed, unchanged)}

    hold_fetches(deployment, pushed)
    answer = door.client.post("/api/v1/sync")
    assert (answer.status_code, answer.json()["status"]) == (202, "started")
    total = answer.json()["total"]
    held = {"status": "running", "progress": total - 1, "total": total}
    wait_for(lambda: read_sync(door) == held, "all to be done but what is held")
    deployment.git.release()
    idle = {"status": "idle", "progress": total, "total": total}
    wait_for(lambda: read_sync(door) == idle, "the sync of everything to end")
    assert "src/held.py" in deployment.read_paths(pushed)
    after = {name: len(dev.list_runs(name)) for name in (pushed, unchanged)}
    assert after == {pushed: before[pushed] + 1, unchanged: before[unchanged]}


def sync_everything(door: Door) -> None:
    assert door.client.post("/api/v1/sync").status_code == 202
    wait_for(lambda: read_sync(door)["status"] == "idle", "the sync of everything to end")


def read_sync(door: Door) -> dict[str, Any]:
    status = door.get("/api/v1/sync/status")
    assert status["problem"] is None
    return {name: status[name] for name in ("status", "progress", "total")}


# -- the worker's workflow


def test_the_workflow_of_the_worker(door: Door, deployment: Deployment) -> None:
    name = "octo/workflow"
    add_synced(deployment, door, name, CAT)
    door.wait_for_worker("Idle")
    hold_fetches(deployment, name)
    answer = door.client.post(f"{DISPATCH}/127.0.0.1/{name}")
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert (job["status"], job["queue_position"]) == ("dispatched", 1)
    assert (job["queue_size"], job["max_queue_size"]) == (1, 10)
    assert job["target"]
    door.wait_for_worker(f"Training Graph on {door.read_address(name)}")
    deployment.git.release()
    assert door.wait_for_end(job["job_id"])["status"] == "completed"
    door.wait_for_worker("Idle")
    [line] = door.read_history(limit=1)
    assert line["duration_seconds"] > 0
    assert line["embeddings_generated"] > 0
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    del line["duration_seconds"], line["embeddings_generated"], line["timestamp"]
    address = door.read_address(name)
    assert line == {"repo_url": address, "status": "complete", "files_processed": 1}


def test_a_failure_is_the_workers_status_until_the_next_success(
    door: Door, deployment: Deployment
) -> None:
    name = "octo/failing"
    add_synced(deployment, door, name, CAT)
    deployment.git.status = 403
    failed = door.wait_for_end(door.accept(name))
    assert failed["status"] == "failed"
    assert failed["error"]
    door.wait_for_worker(f"Error: {failed['error']}")
    line = find_line(door, name)
    assert (line["status"], line["error"]) == ("failed", failed["error"])
    deployment.git.status = 0
    door.sync(name)
    door.wait_for_worker("Idle")
    assert find_line(door, name)["status"] == "complete"


@pytest.mark.parametrize("url", ["nothing", "github.com/octo", "gitlab.com/octo/cat"])
def test_what_is_no_repository_is_refused(door: Door, url: str) -> None:
    answer = door.client.post(f"{DISPATCH}/{url}")
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_host_that_is_down_is_a_503(door: Door, deployment: Deployment) -> None:
    deployment.github.fail(502)
    try:
        answer = door.client.post(f"{DISPATCH}/octo/unheard-of")
    finally:
        deployment.github.heal()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["detail"]


# -- scenarios 1 to 5


def test_a_sync_is_triggered(door: Door, deployment: Deployment) -> None:
    name = "octo/outdated"
    add_synced(deployment, door, name, make_files(range(10), "read"))
    deployment.push(name, make_files(range(10), "write"))
    deployment.git.misbehaviour = HANG
    answer = door.submit(name)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["status"], job["repository"]) == ("queued", name)
    wait_for(lambda: read_sync(door)["status"] == "running", "the repository to be synced")
    deployment.git.release()
    assert door.wait_for_end(job["job_id"])["status"] == "completed"
    assert find_line(door, name)["files_processed"] == 10


def test_a_sync_in_progress_is_a_conflict(door: Door, deployment: Deployment) -> None:
    name = "octo/busy"
    deployment.add_repository(name, CAT)
    door.track(name)
    deployment.git.misbehaviour = HANG
    job_id = door.accept(name)
    door.wait_for_status(job_id, "running")
    answer = door.submit(name)
    assert answer.status_code == 409
    body = answer.json()
    assert body["message"] == body["error"] == "Sync already in progress"
    assert body["job_id"] == job_id
    assert body["progress"]["percentage"] == door.read(job_id)["progress"]["percentage"] < 100
    deployment.git.release()
    assert door.wait_for_end(job_id)["status"] == "completed"


def test_a_forced_full_reindex_of_two_branches(door: Door, deployment: Deployment) -> None:
    name, branches = "octo/branches", ["main", "develop", "old"]
    deployment.add_repository(name, CAT)
    deployment.create_branch(name, "develop")
    deployment.create_branch(name, "old")
    door.track(name, branches=branches)
    door.sync(name, full_reindex=True)
    for branch in branches:
        deployment.push(name, {f"src/{branch}.py": f"def begin_{branch}():\n    pass\n"}, branch)
    deployment.git.misbehaviour = HANG
    first = door.accept(name)
    door.wait_for_status(first, "running")

    answer = door.submit(name, force=True, full_reindex=True, branches=["main", "develop"])
    assert answer.status_code == 202
    job = answer.json()
    assert job["estimated_completion"] > job["created_at"]
    options = {"force": True, "full_reindex": True, "branches": ["main", "develop"]}
    assert options.items() <= job["options"].items()
    assert door.wait_for_end(first)["status"] == "cancelled"
    deployment.git.release()
    ended = door.wait_for_end(job["job_id"])
    assert ended["status"] == "completed"
    assert ended["result"]["is_full"]
    assert find_line(door, name)["files_processed"] == len(CAT_PATHS) + len({"main", "develop"})
    points = deployment.read_points(name)
    found = {(str(point.payload["branch"]), str(point.payload["path"])) for point in points}
    assert {("main", "src/main.py"), ("develop", "src/develop.py")} <= found
    assert ("old", "src/purr.py") in found, "the other branch stays as it was"
    assert ("old", "src/old.py") not in found


def test_an_incremental_sync_processes_the_changed_files_alone(
    door: Door, deployment: Deployment
) -> None:
    name = "octo/incremental"
    add_synced(deployment, door, name, make_files(range(40), "keep"))
    changed = {f"src/page_{n}.py" for n in range(3)} | {f"src/page_{n}.py" for n in range(40, 45)}
    before = index_points(deployment, name, changed)
    deployment.push(name, make_files(range(3), "change") | make_files(range(40, 45), "add"))
    job = door.sync(name, incremental=True)
    assert not job["result"]["is_full"]
    assert job["result"]["files"] == 45
    assert find_line(door, name)["files_processed"] == len(changed) == 8
    assert index_points(deployment, name, changed) == before
    assert changed <= deployment.read_paths(name)


def index_points(
    deployment: Deployment, name: str, without: set[str]
) -> dict[str, tuple[str, list[float]]]:
    """Return id → path and vector of the points of all files but some."""
    return {
        str(point.id): (str(point.payload["path"]), list(point.dense or ()))
        for point in deployment.read_points(name)
        if point.payload["path"] not in {"", *without}
    }


def test_a_sync_pulls_what_the_remote_has(door: Door, deployment: Deployment) -> None:
    name = "octo/pulled"
    add_synced(deployment, door, name, CAT)
    for number in range(3):
        deployment.push(name, {f"src/pulled_{number}.py": "NEW = 1\n"})
    job = door.sync(name, pull_remote=True, remote="origin", branch="main")
    assert job["commits_pulled"] == 3
    assert {f"src/pulled_{number}.py" for number in range(3)} <= deployment.read_paths(name)


def test_what_cannot_be_followed_is_refused(door: Door, deployment: Deployment) -> None:
    name = "octo/refused"
    deployment.add_repository(name, CAT)
    door.track(name)
    assert door.submit("octo/nothing").status_code == 404
    wrong = {"remote": "upstream", "branches": ["nowhere"], "force": "perhaps", "deep": True}
    for field, value in wrong.items():
        answer = door.submit(name, **{field: value})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


# -- webhooks


def test_webhooks_tell_of_each_end(door: Door, deployment: Deployment) -> None:
    name = "octo/told"
    add_synced(deployment, door, name, CAT)
    with WebhookReceiver() as receiver:
        job_ids = [door.sync(name, progress_webhook=receiver.url)["job_id"]]
        deployment.git.status = 403
        job_ids.append(door.accept(name, progress_webhook=receiver.url))
        door.wait_for_end(job_ids[-1])
        deployment.git.status = 0
        hold_fetches(deployment, name)
        job_ids.append(door.accept(name, progress_webhook=receiver.url))
        door.wait_for_status(job_ids[-1], "running")
        assert door.client.post(f"/api/v1/jobs/{job_ids[-1]}/cancel").status_code == 202
        wait_for(lambda: len(receiver.seen) == 3, "three webhooks")
    told = [read_webhook(seen) for seen in receiver.seen]
    assert [body["type"] for body in told] == ["sync.completed", "sync.failed", "sync.cancelled"]
    assert [body["data"]["job_id"] for body in told] == job_ids
    assert {body["data"]["repository"] for body in told} == {name}
    assert [bool(body["data"]["error"]) for body in told] == [False, True, False]


def read_webhook(seen: SeenWebhook) -> dict[str, Any]:
    """Verify a webhook as its receiver does, and return its body."""
    return Webhook(SIGNING_SECRET).verify(seen.body, dict(seen.headers))
