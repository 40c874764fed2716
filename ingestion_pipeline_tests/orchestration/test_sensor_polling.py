"""Whom a tick asks about, and when: schedules, bumps, failures, the host's allowance."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.errors import HostUnavailableError, RepositoryNotFoundError
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.orchestration.cursor import SensorCursor
from ingestion_pipeline.orchestration.partitions import ASSET_KEY, PARTITION_TAG, PARTITIONS_NAME
from ingestion_pipeline.orchestration.run_facts import DATA_VERSION_TAG, format_data_version
from ingestion_pipeline.orchestration.sensors import run_tick
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World
from ingestion_pipeline_tests.state.samples import make_branch

HOUR = 3_600


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    return run_tick(world.services, instance, cursor)


def requested(result: dg.SensorResult) -> list[str]:
    return [str(request.partition_key) for request in result.run_requests or []]


def said(result: Any) -> str:
    return result.skip_reason.skip_message


def count_checks(world: World) -> int:
    return len(world.host.checked)


def add_repositories(world: World, numbers: range) -> list[str]:
    """Track further repositories, as the command does."""
    names = [f"octo/r{number}" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        world.host.add(make_hosted(name, number))
        track_repository(name, None, world.services.hosts, world.state, world.clock)
    return names


def index(world: World, instance: dg.DagsterInstance, key: str = KEY) -> None:
    """Leave behind what a run that succeeded does, as far as ticks look at it."""
    row = world.state.find_repository(key)
    assert row is not None
    hosted = world.host.refresh_repository(row)
    head = world.host.get_branch_heads([row])[row.source]["main"]
    version = format_data_version(hosted.pushed_at or "", world.services.make_fingerprint(row))
    instance.report_runless_asset_event(
        dg.AssetMaterialization(ASSET_KEY, partition=key, tags={DATA_VERSION_TAG: version})
    )
    world.state.commit_branch(row.source, make_branch("main", head_sha=head))


def wait_until_due(world: World) -> float:
    """Move the clock to the next check and return the seconds."""
    moment = read_schedule(world).next_check_at
    assert moment is not None
    seconds = (moment - world.clock.now()).total_seconds()
    world.clock.advance(seconds)
    return seconds


@pytest.fixture
def settled(world: World, instance: dg.DagsterInstance) -> World:
    """Indexed ten minutes after its last push, and its bump for being tracked is answered."""
    world.push({"a.py": "x = 1\n"})
    index(world, instance)
    world.clock.advance(600)
    assert requested(tick(world, instance)) == []
    world.clock.advance(60)
    assert requested(tick(world, instance)) == []
    return world


def read_schedule(world: World) -> CheckSchedule:
    return world.state.list_check_schedules()[make_hosted(KEY).source]


def test_half_the_time_since_the_last_push(settled: World, instance: dg.DagsterInstance) -> None:
    begin, before = settled.clock.now(), count_checks(settled)
    assert read_schedule(settled) == CheckSchedule(begin + timedelta(seconds=330))
    settled.clock.advance(329)

    skipped = tick(settled, instance)

    assert said(skipped) == "1 not due yet, the next at 2026-01-31T12:17:30Z."
    assert count_checks(settled) == before
    settled.push({"a.py": "x = 2\n"})
    assert requested(tick(settled, instance)) == [KEY]
    assert count_checks(settled) == before + 1


def test_a_push_after_a_long_rest_is_followed_within_eight_hours(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.clock.advance(40 * HOUR)
    assert requested(tick(settled, instance)) == []
    settled.push({"a.py": "x = 2\n"})
    assert wait_until_due(settled) <= 8 * HOUR
    assert requested(tick(settled, instance)) == [KEY]


def test_a_bump_is_asked_about_at_the_very_next_tick_and_first(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.push({"a.py": "x = 2\n"})
    settled.state.bump_source(make_hosted(KEY).source, settled.clock.now())
    settled.clock.advance(1)
    names = add_repositories(settled, range(2, 5))

    result = tick(settled, instance)

    assert settled.host.checked[-1] == (KEY, *names)
    assert requested(result) == [KEY, *names]
    assert read_schedule(settled).bumped_at is None


def test_a_bump_goes_before_the_cap_and_the_window(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.push({"a.py": "x = 2\n"})
    add_repositories(settled, range(2, 5))
    tick(settled, instance)
    settled.services.settings = settled.services.settings.model_copy(
        update={"sensor_max_runs_per_tick": 1, "sensor_max_repositories_per_tick": 1}
    )
    settled.state.bump_source(make_hosted(KEY).source, settled.clock.now())
    result = tick(settled, instance, SensorCursor("octo/cat").format())
    assert requested(result) == [KEY]


def test_a_bump_faster_than_the_hosts_own_index_is_looked_at_once_more(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.state.bump_source(make_hosted(KEY).source, settled.clock.now())
    assert requested(tick(settled, instance)) == []
    assert read_schedule(settled) == CheckSchedule(settled.clock.now() + timedelta(seconds=45))
    settled.push({"a.py": "x = 2\n"})
    assert requested(tick(settled, instance)) == [KEY]


def test_a_bump_while_a_run_is_in_progress_is_answered_after_it(
    settled: World, instance: dg.DagsterInstance
) -> None:
    run = create_run_for_test(
        instance, status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: KEY}
    )
    settled.push({"a.py": "x = 2\n"})
    settled.state.bump_source(make_hosted(KEY).source, settled.clock.now())
    before = count_checks(settled)

    waiting = tick(settled, instance)

    assert said(waiting) == "1 not asked about while a run is in progress."
    assert count_checks(settled) == before
    instance.delete_run(run.run_id)
    assert requested(tick(settled, instance)) == [KEY]


def test_after_a_run_it_is_looked_at_once_and_then_by_the_rule(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.push({"a.py": "x = 2\n"})
    settled.clock.advance(HOUR)
    assert requested(tick(settled, instance)) == [KEY]
    index(settled, instance)
    before = count_checks(settled)
    assert "1 up to date" in said(tick(settled, instance))
    assert "1 not due yet" in said(tick(settled, instance))
    assert count_checks(settled) == before + 1


def test_a_host_that_does_not_answer_is_asked_less_and_less(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.host.break_down(HostUnavailableError("down"))
    wait_until_due(settled)
    waits: list[float] = []
    for _ in range(6):
        settled.clock.advance(-1)
        before = count_checks(settled)
        tick(settled, instance)
        assert count_checks(settled) == before
        settled.clock.advance(1)
        tick(settled, instance)
        assert count_checks(settled) == before + 1
        waits.append(wait_until_due(settled))
    assert all(later >= min(2 * earlier, 8 * HOUR) for earlier, later in pairwise(waits))
    assert waits[-1] == 8 * HOUR
    assert read_schedule(settled).failures == 6

    settled.host.recover()
    settled.push({"a.py": "x = 2\n"})
    settled.state.bump_source(make_hosted(KEY).source, settled.clock.now())
    assert requested(tick(settled, instance)) == [KEY]
    assert read_schedule(settled).failures == 0


def test_a_bump_that_nobody_could_answer_stays(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.host.break_down(HostUnavailableError("down"))
    at = settled.clock.now()
    settled.state.bump_source(make_hosted(KEY).source, at)
    for _ in range(2):
        tick(settled, instance)
        assert read_schedule(settled).bumped_at == at


def test_the_failed_come_last(settled: World, instance: dg.DagsterInstance) -> None:
    [name] = add_repositories(settled, range(2, 3))
    index(settled, instance, name)
    settled.host.leave_unanswered(KEY)
    for _ in range(4):
        settled.clock.advance(9 * HOUR)
        tick(settled, instance)
    assert settled.host.checked[-1] == (name, KEY)


def test_a_repository_that_is_gone_is_not_asked_about_at_every_tick(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.host.refuse(KEY, RepositoryNotFoundError("404"))
    world.clock.advance(HOUR)
    assert "404" in said(tick(world, instance))
    before = count_checks(world)
    for _ in range(10):
        world.clock.advance(30)
        tick(world, instance)
    assert count_checks(world) <= before + 3


def test_another_pipeline_is_not_waited_for(settled: World, instance: dg.DagsterInstance) -> None:
    settled.services.settings = settled.services.settings.model_copy(update={"max_file_kib": 77})
    result = tick(settled, instance)
    assert requested(result) == [KEY]
    assert "files-77" in result.run_requests[0].tags["ingestion/reason"]


def test_other_branches_are_not_waited_for(settled: World, instance: dg.DagsterInstance) -> None:
    settled.git.commit({"extra.rb": "def extra\nend\n"}, branch="next", orphan=True)
    settled.host.push(KEY, "next", settled.git.head("next"), str(settled.row.hosted.pushed_at))
    assert requested(tick(settled, instance)) == []
    settled.track(instance, ["next"])
    assert requested(tick(settled, instance)) == [KEY]


def test_a_sync_that_was_cut_short_is_not_waited_for(
    settled: World, instance: dg.DagsterInstance
) -> None:
    source = make_hosted(KEY).source
    [branch] = settled.state.list_branches(source)
    settled.state.commit_branch(source, replace(branch, head_sha=""))
    assert requested(tick(settled, instance)) == [KEY]


def test_an_allowance_that_is_nearly_used_up_is_left_to_bumped_ones(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.clock.advance(9 * HOUR)
    resets_at = settled.clock.now() + timedelta(minutes=10)
    cursor = SensorCursor("", RateLimit(3, 5_000, resets_at)).format()
    before = count_checks(settled)

    skipped = tick(settled, instance, cursor)

    assert count_checks(settled) == before
    assert "Rate limit: 3 of 5,000 left until 2026-01-31T21:22:00Z" in said(skipped)
    assert SensorCursor.parse(skipped.cursor).rate_limit == RateLimit(3, 5_000, resets_at)
    settled.state.bump_source(make_hosted(KEY).source, settled.clock.now())
    tick(settled, instance, cursor)
    assert count_checks(settled) == before + 1


def test_an_allowance_that_is_full_again_is_forgotten(
    settled: World, instance: dg.DagsterInstance
) -> None:
    settled.clock.advance(9 * HOUR)
    cursor = SensorCursor("", RateLimit(0, 5_000, settled.clock.now())).format()
    before = count_checks(settled)
    assert SensorCursor.parse(tick(settled, instance, cursor).cursor).rate_limit is None
    assert count_checks(settled) == before + 1


def test_nothing_tracked_says_how_to_begin(instance: dg.DagsterInstance, world: World) -> None:
    world.state.untrack_repository(KEY, world.clock.now())
    assert "ingestion-pipeline track owner/name" in said(tick(world, instance))
    assert instance.get_dynamic_partitions(PARTITIONS_NAME) == []
