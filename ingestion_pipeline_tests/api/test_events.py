"""A job's server-sent events, over real HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import httpx
import pytest

from ingestion_pipeline.api.job_routes import POLL_SECONDS
from ingestion_pipeline.core.jobs import JobStatus
from ingestion_pipeline.core.state import SyncProgress
from ingestion_pipeline.indexing.progress import INTERVAL_SECONDS
from ingestion_pipeline_tests.orchestration.world import KEY, World


@pytest.fixture
def job_id(client: httpx.Client) -> str:
    return client.post(f"/api/repositories/{KEY}/sync").json()["job_id"]


def read_events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield events as a browser would."""
    event: dict[str, Any] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name in {"id", "event", "data"}:
            event[name] = json.loads(value) if name == "data" else value
        elif not line and event:
            yield event
            event = {}


def test_a_job_is_followed_to_its_end(
    client: httpx.Client, world: World, instance: dg.DagsterInstance, job_id: str
) -> None:
    jobs, now = world.state.jobs, world.clock.now()
    with client.stream("GET", f"/api/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = read_events(answer)
        first = next(events)
        assert (first["event"], first["data"]["status"]) == ("progress", "queued")
        jobs.record_started(job_id, now)
        set_progress(world, job_id, 3)
        seen = list(take_until(events, "files_processed", 3))
        assert seen[-1]["data"]["status"] == "running"
        assert seen[-1]["data"]["progress"]["current_file"] == "src/purr.py"
        set_progress(world, job_id, 5)
        assert list(take_until(events, "files_processed", 5))
        jobs.record_ended(job_id, JobStatus.FAILED, now, "The disk is full.")
        *_, last = events
    assert (last["event"], last["data"]["error"]) == ("end", "The disk is full.")


def take_until(events: Iterator[dict[str, Any]], name: str, value: int) -> Iterator[dict[str, Any]]:
    for event in events:
        yield event
        if event["data"]["progress"][name] == value:
            return
    raise AssertionError("The stream ended.")


def set_progress(world: World, run_id: str, done: int) -> None:
    now = world.clock.now()
    world.state.set_progress(SyncProgress(run_id, KEY, "parse", done, 9, "src/purr.py", now))


def test_what_was_seen_is_not_told_again(client: httpx.Client, world: World, job_id: str) -> None:
    path = f"/api/v1/jobs/{job_id}/events"
    with client.stream("GET", path) as answer:
        first = next(read_events(answer))
    world.state.jobs.record_ended(job_id, JobStatus.COMPLETED, world.clock.now())
    with client.stream("GET", path, headers={"Last-Event-ID": first["id"]}) as answer:
        [end] = read_events(answer)
    assert end["event"] == "end"
    again = client.get(path, headers={"Last-Event-ID": end["id"]})
    assert again.status_code == 204
    with client.stream("GET", path, headers={"Last-Event-ID": "of another time"}) as answer:
        assert [event["id"] for event in read_events(answer)] == [end["id"]]


def test_a_job_that_runs_is_told_of_though_nothing_changes(
    client: httpx.Client, world: World, job_id: str
) -> None:
    world.state.jobs.record_started(job_id, world.clock.now())
    with client.stream("GET", f"/api/v1/jobs/{job_id}/events") as answer:
        events = read_events(answer)
        assert next(events) == next(events)


def test_nobody_is_a_second_behind() -> None:
    assert INTERVAL_SECONDS + POLL_SECONDS < 1


def test_an_unknown_job_has_no_events(client: httpx.Client) -> None:
    assert client.get("/api/v1/jobs/nothing/events").status_code == 404


def test_a_watcher_who_leaves_ends_nobody_elses_stream(
    client: httpx.Client, world: World, job_id: str
) -> None:
    path = f"/api/v1/jobs/{job_id}/events"
    with client.stream("GET", path) as stays:
        events = read_events(stays)
        next(events)
        with client.stream("GET", path) as leaves:
            next(read_events(leaves))
        world.state.jobs.record_ended(job_id, JobStatus.CANCELLED, world.clock.now())
        assert [event["event"] for event in events] == ["end"]
