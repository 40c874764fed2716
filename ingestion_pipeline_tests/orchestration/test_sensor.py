"""The sensor's tick and the nightly schedule over a Dagster with real runs."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.test_utils import create_run_for_test

from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.errors import (
    HostUnavailableError,
    RateLimitedError,
    RepositoryBlockedError,
)
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.orchestration.cursor import SensorCursor
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG, PARTITIONS_NAME
from ingestion_pipeline.orchestration.sensors import run_nightly, run_tick
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    return run_tick(world.services, instance, cursor)


def requested(result: dg.SensorResult) -> list[str]:
    return [str(request.partition_key) for request in result.run_requests or []]


def test_a_partition_that_was_never_indexed_runs(
    world: World, instance: dg.DagsterInstance
) -> None:
    result = tick(world, instance)
    assert requested(result) == [KEY]
    [request] = result.run_requests
    assert request.run_key is None
    assert request.tags["ingestion/reason"] == "never indexed"


def test_a_fresh_partition_does_not_run(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    result = tick(world, instance)
    assert requested(result) == []
    assert "1 up to date" in result.skip_reason.skip_message


def test_a_push_makes_it_run_again_until_it_is_indexed(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    world.push({"a.py": "x = 1\n"})
    assert requested(tick(world, instance)) == [KEY]
    assert requested(tick(world, instance)) == [KEY]
    world.sync(instance)
    assert requested(tick(world, instance)) == []


def test_a_push_that_moves_no_tracked_branch_is_remembered(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    world.host.push_elsewhere(KEY, "2026-05-05T00:00:00Z")
    assert requested(tick(world, instance)) == []
    assert world.row.pushed_at_seen == "2026-05-05T00:00:00Z"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_run_in_progress_is_waited_for_whatever_its_job(
    world: World, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    create_run_for_test(instance, job_name="__ASSET_JOB", status=status, tags={PARTITION_TAG: KEY})
    result = tick(world, instance)
    assert requested(result) == []
    assert "in progress" in result.skip_reason.skip_message


def test_a_failed_partition_waits_and_is_never_forgotten(
    world: World, instance: dg.DagsterInstance
) -> None:
    from datetime import UTC, datetime

    world.clock.advance((datetime.now(UTC) - world.clock.now()).total_seconds())
    world.host.break_down(HostUnavailableError("down"))
    assert not world.sync(instance).success
    world.host.recover()
    result = tick(world, instance)
    assert requested(result) == []
    assert "failed once, next try at" in result.skip_reason.skip_message
    world.clock.advance(120)
    assert requested(tick(world, instance)) == [KEY]


def test_an_outage_is_a_clear_skip_reason(world: World, instance: dg.DagsterInstance) -> None:
    world.host.break_down(RateLimitedError("GitHub's rate limit is used up until 12:00."))
    result = tick(world, instance)
    assert requested(result) == []
    assert "rate limit is used up until 12:00" in result.skip_reason.skip_message


def test_a_blocked_repository_is_shown_and_not_run(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.host.refuse(KEY, RepositoryBlockedError("blocked: dmca"))
    result = tick(world, instance)
    assert requested(result) == []
    assert "451" in result.skip_reason.skip_message
    assert world.row.hosted.status is RepositoryStatus.BLOCKED


def test_a_rename_moves_the_partition(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    world.rename("octo/lion")
    result = tick(world, instance)
    assert instance.get_dynamic_partitions(PARTITIONS_NAME) == ["octo/lion"]
    assert requested(result) == ["octo/lion"]
    world.sync(instance, "octo/lion")
    assert requested(tick(world, instance)) == []


def test_a_partition_added_by_hand_becomes_tracked(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.host.add(make_hosted("octo/dog", 2))
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["octo/dog", "nobody/knows"])
    result = tick(world, instance)
    assert sorted(requested(result)) == [KEY, "octo/dog"]
    assert world.state.find_repository("octo/dog") is not None


def test_the_cap_goes_round(world: World, instance: dg.DagsterInstance) -> None:
    for number in range(2, 6):
        world.host.add(make_hosted(f"octo/r{number}", number))
        instance.add_dynamic_partitions(PARTITIONS_NAME, [f"octo/r{number}"])
    world.services.settings = world.services.settings.model_copy(
        update={"sensor_max_runs_per_tick": 2}
    )
    first = tick(world, instance)
    second = tick(world, instance, first.cursor)
    third = tick(world, instance, second.cursor)
    seen = requested(first) + requested(second) + requested(third)
    assert set(seen) == {KEY, "octo/r2", "octo/r3", "octo/r4", "octo/r5"}


def test_the_window_goes_round(world: World, instance: dg.DagsterInstance) -> None:
    for number in range(2, 6):
        world.host.add(make_hosted(f"octo/r{number}", number))
        instance.add_dynamic_partitions(PARTITIONS_NAME, [f"octo/r{number}"])
    world.services.settings = world.services.settings.model_copy(
        update={"sensor_max_repositories_per_tick": 2}
    )
    cursor, seen = None, set[str]()
    for _ in range(3):
        result = tick(world, instance, cursor)
        seen |= set(requested(result))
        cursor = result.cursor
    assert seen == {KEY, "octo/r2", "octo/r3", "octo/r4", "octo/r5"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{",
        '{"started": 1}',
        '{"asked": "a/b"}',
        '{"rate_limit": {"limit": "many"}}',
    ],
)
def test_a_strange_cursor_begins_anew(text: str | None) -> None:
    assert SensorCursor.parse(text) == SensorCursor()


def test_a_cursor_survives_its_own_format() -> None:
    for cursor in (
        SensorCursor("a/b"),
        SensorCursor("a/b", RateLimit(3, 5_000, START)),
        SensorCursor("", RateLimit(3, 5_000, None)),
    ):
        assert SensorCursor.parse(cursor.format()) == cursor


def test_the_sensor_runs_as_dagster_runs_it(world: World, instance: dg.DagsterInstance) -> None:
    repository = world.definitions.get_repository_def()
    sensor = repository.get_sensor_def("repository_freshness")
    context = dg.build_sensor_context(
        instance=instance, repository_def=repository, resources={"services": world.services}
    )
    with partition_loading_context(dynamic_partitions_store=instance):
        assert requested_keys(sensor.evaluate_tick(context)) == [KEY]


def test_the_nightly_reconciliation_finds_what_pushed_at_cannot_tell(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.push({"extra.rb": "def extra\nend\n"}, branch="next", orphan=True)
    world.track(instance, ["next"])
    world.sync(instance)
    assert isinstance(run_nightly(world.services, instance), dg.SkipReason)
    pushed_at = world.row.hosted.pushed_at
    sha = world.git.commit({"more.rb": "def more\nend\n"}, branch="next")
    world.host.push(KEY, "next", sha, str(pushed_at))
    assert requested(tick(world, instance)) == []
    requests = run_nightly(world.services, instance)
    assert isinstance(requests, list)
    assert [request.partition_key for request in requests] == [KEY]


def requested_keys(data: Any) -> list[str]:
    return [request.partition_key for request in data.run_requests or []]
