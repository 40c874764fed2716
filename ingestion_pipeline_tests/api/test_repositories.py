"""Tracked repositories over real HTTP."""

from dataclasses import replace

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.orchestration.partitions import PARTITIONS_NAME
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World

PATH = "/api/v1/repositories"


def test_what_is_tracked_is_listed(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    [shown] = client.get(PATH).json()["repositories"]
    assert shown == client.get(f"{PATH}/{KEY}").json() == client.get(f"{PATH}/1").json()
    assert (shown["repository"], shown["repository_id"]) == (KEY, "1")
    assert shown["tracked_branches"] == ["main"]
    [branch] = shown["branches"]
    assert (branch["name"], branch["head"]) == ("main", world.git.head("main"))
    assert branch["points"] == len(world.points())
    assert shown["last_sync"]["status"] == "complete"
    assert client.get(f"{PATH}/octo/dog").status_code == 404
    assert shown["sync_status"] == "idle"
    assert client.post(f"/api/repositories/{KEY}/sync").status_code == 202
    assert client.get(f"{PATH}/{KEY}").json()["sync_status"] == "syncing"


def test_tracking_twice_changes_what_is_tracked(client: httpx.Client, world: World) -> None:
    world.host.add(make_hosted("octo/dog", 2), {"main": "a" * 40, "dev": "b" * 40})
    first = client.post(PATH, json={"url": "https://github.com/octo/dog"})
    assert (first.status_code, first.json()["tracked_branches"]) == (201, ["main"])
    changes = {"url": "octo/dog", "branches": ["dev"], "ignore_patterns": ["docs/"]}
    second = client.post(PATH, json=changes)
    assert (second.status_code, second.json()["tracked_branches"]) == (200, ["dev"])
    third = client.post(PATH, json={"url": "octo/dog"})
    assert third.json()["ignore_patterns"] == ["docs/"]
    assert third.json()["tracked_branches"] == ["dev"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"url": "/etc"}, 400),
        ({"url": "gitlab.com/octo/cat"}, 400),
        ({"url": "octo/nothing"}, 404),
        ({"url": KEY, "branches": ["no such"]}, 400),
        ({"url": KEY, "branches": ["missing"]}, 422),
        ({"url": KEY, "ignore_patterns": ["[z-"]}, 422),
        ({"url": KEY, "path": "/etc"}, 422),
    ],
)
def test_what_cannot_be_tracked_changes_nothing(
    client: httpx.Client, world: World, asked: dict[str, object], status: int
) -> None:
    before = world.row
    assert client.post(PATH, json=asked).status_code == status
    assert world.row == before


def test_what_is_untracked_goes_at_once_if_asked(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    assert client.delete(f"{PATH}/{KEY}").status_code == 204
    assert world.points()
    assert instance.get_dynamic_partitions(PARTITIONS_NAME) == []
    assert client.delete(f"{PATH}/{KEY}").status_code == 404
    client.post(PATH, json={"url": KEY})
    assert client.delete(f"{PATH}/{KEY}", params={"purge": "true"}).status_code == 204
    assert not world.points()


def test_what_waits_of_an_untracked_repository_is_ended(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    job_id = client.post(f"/api/repositories/{KEY}/sync").json()["job_id"]
    queued = dg.RunsFilter(run_ids=[job_id], statuses=[Status.QUEUED])
    wait_for(lambda: instance.get_runs(queued) or None, "the job's run")
    assert client.delete(f"{PATH}/{KEY}", params={"purge": "true"}).status_code == 204
    run = instance.get_run_by_id(job_id)
    assert run is not None
    assert run.status is Status.CANCELED
    assert client.get(f"/api/v1/jobs/{job_id}").json()["status"] == "cancelled"
    assert world.state.list_repositories(include_untracked=True) == []


def test_a_name_that_is_taken_is_a_conflict(client: httpx.Client, world: World) -> None:
    row = world.row
    world.state.forget_source(row.source)
    other = replace(row.hosted, source=SourceId(SourceKind.GITHUB, "99"))
    world.state.save_repository(replace(row, hosted=other))
    answer = client.post(PATH, json={"url": KEY})
    assert answer.status_code == 409
    assert "already tracked as another repository" in answer.json()["detail"]


def test_a_repository_at_work_is_not_purged(client: httpx.Client, world: World) -> None:
    with world.state.lock_source(f"sync:{world.row.source}"):
        answer = client.delete(f"{PATH}/{KEY}", params={"purge": "true"})
    assert answer.status_code == 503
    assert world.state.list_repositories() == []
    again = client.delete(f"{PATH}/{KEY}", params={"purge": "true"})
    assert again.status_code == 204
    assert world.state.list_repositories(include_untracked=True) == []
