"""A purge leaves nothing that answers: at once on command, or so many hours after untracking."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from ingestion_pipeline.core.errors import PointStoreUnavailableError, RepositoryBusyError
from ingestion_pipeline.core.points import CollectionSpec, PointFilter
from ingestion_pipeline.core.repositories import SourceId, SourceKind, TrackedRepository
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.partitions import PARTITIONS_NAME
from ingestion_pipeline.orchestration.purge import (
    PURGE_JOB_NAME,
    PurgeReport,
    hourly_purge,
    list_untracked,
    purge_due,
    purge_source,
)
from ingestion_pipeline.tracking.track import track_repository, untrack_repository
from ingestion_pipeline_tests.crashing import (
    STATE_WRITES,
    STORE_WRITES,
    Crash,
    CrashingProxy,
    CrashPlan,
)
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.orchestration.world import KEY, World, failed_steps
from ingestion_pipeline_tests.state.samples import make_branch

WAIT_SECONDS = 24 * 3600


def untrack(world: World) -> SourceId:
    """Untrack, as long ago as it takes for the purge to be due now."""
    source = untrack_repository(KEY, world.state, world.clock).source
    world.clock.advance(WAIT_SECONDS)
    return source


def track_again(world: World) -> None:
    track_repository(KEY, None, world.services.hosts, world.state, world.clock)


def run_job(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_job_def(PURGE_JOB_NAME)
    return job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def tick(world: World, instance: dg.DagsterInstance) -> tuple[int, str | None]:
    """Return how many runs the schedule asks for, and what it says when there is none."""
    with dg.build_schedule_context(
        instance=instance, resources={"services": world.services}
    ) as context:
        answer = hourly_purge.evaluate_tick(context)
    return len(answer.run_requests or []), answer.skip_message


# -- one source


def test_a_purge_deletes_points_state_and_mirror(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    source = untrack(world)
    assert purge_source(world.services, source) == 8
    assert world.points() == {}
    assert world.state.find_source(source) is None
    assert world.state.list_branch_names(source) == []
    assert not world.services.open_mirror(source).path.exists()


def test_a_purge_keeps_out_of_a_sync(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    source = untrack(world)
    with world.state.lock_source(f"sync:{source}"), pytest.raises(RepositoryBusyError):
        purge_source(world.services, source)
    assert len(world.points()) == 8


def test_what_is_tracked_is_not_purged(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    assert purge_source(world.services, world.row.source) == 0
    assert len(world.points()) == 8
    assert world.services.open_mirror(world.row.source).path.exists()


class TrackedMeanwhile(FakePointStore):
    """Somebody tracks the repository again while its points are being deleted."""

    world: World

    def delete_matching(self, collection: str, where: PointFilter) -> None:
        super().delete_matching(collection, where)
        track_again(self.world)


def test_a_repository_tracked_again_during_the_purge_stays_tracked_and_is_indexed_anew(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.store = TrackedMeanwhile()
    world.store.world = world
    world.services.__dict__.pop("store", None)
    world.sync(instance)
    source = untrack(world)
    purge_source(world.services, source)
    assert world.row.source == source
    assert world.state.list_branch_names(source) == []
    assert world.sync(instance).success
    assert len(world.points()) == 8


def test_a_purge_that_dies_at_any_write_is_ended_by_the_next(
    world: World, instance: dg.DagsterInstance
) -> None:
    writes = STATE_WRITES | {"forget_source"}
    for at_write in range(20):
        track_again(world)
        sync_partitions(world.services, instance)
        assert world.sync(instance).success
        source = untrack(world)
        plan = CrashPlan(at_write, before=True)
        store: Any = CrashingProxy(world.store, plan, STORE_WRITES)
        state: Any = CrashingProxy(world.state, plan, writes)
        world.services.__dict__.update(store=store, state=state)
        try:
            purge_due(world.services, instance)
        except Crash:
            died = True
        else:
            died = False
        world.services.__dict__.update(store=world.store, state=world.state)
        if died:
            report = purge_due(world.services, instance)
            assert list(report.deleted) == [KEY]
        assert world.points() == {}
        assert world.state.find_source(source) is None
        assert not world.services.open_mirror(source).path.exists()
        if not died:
            assert at_write == plan.writes == 3
            return
    pytest.fail("a purge of one branch does not take twenty writes")


def test_a_repository_tracked_again_after_a_purge_that_died_is_whole(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    untrack(world)
    plan = CrashPlan(1, before=True)
    store: Any = CrashingProxy(world.store, plan, STORE_WRITES)
    state: Any = CrashingProxy(world.state, plan, STATE_WRITES)
    world.services.__dict__.update(store=store, state=state)
    with pytest.raises(Crash):
        purge_due(world.services, instance)
    world.services.__dict__.update(store=world.store, state=world.state)
    assert world.points() == {}
    track_again(world)
    sync_partitions(world.services, instance)
    assert purge_due(world.services, instance) == PurgeReport()
    assert world.sync(instance).success
    assert len(world.points()) == 8


# -- so many hours after


def test_points_wait_a_day_and_go_then(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    source = untrack(world)
    [(due, row)] = list_untracked(world.services)
    assert due == world.clock.now()
    world.clock.advance(-1)
    assert purge_due(world.services, instance) == PurgeReport()
    assert len(world.points()) == 8
    world.clock.advance(1)
    assert purge_due(world.services, instance) == PurgeReport({KEY: 8})
    assert world.points() == {}
    assert world.state.find_source(source) is None
    assert row.partition_key == KEY
    assert purge_due(world.services, instance) == PurgeReport()


def test_what_is_tracked_again_in_time_keeps_its_points(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    untrack(world)
    track_again(world)
    assert purge_due(world.services, instance) == PurgeReport()
    assert len(world.points()) == 8


def test_the_wait_is_a_setting(world: World, instance: dg.DagsterInstance) -> None:
    world.services.settings.purge_after_hours = 0.5
    now = world.clock.now()
    untrack_repository(KEY, world.state, world.clock)
    assert [at for at, _ in list_untracked(world.services)] == [now + timedelta(minutes=30)]


def test_a_sync_in_progress_makes_it_wait_for_the_next_hour(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    source = untrack(world)
    with world.state.lock_source(f"sync:{source}"):
        result = run_job(world, instance)
        assert result.success
        assert purge_due(world.services, instance) == PurgeReport(postponed=[KEY])
    assert len(world.points()) == 8
    assert run_job(world, instance).success
    assert world.points() == {}


class FailingStore(FakePointStore):
    """Times out for one source."""

    refused = "github:7"

    def delete_matching(self, collection: str, where: PointFilter) -> None:
        if where.equals.get("source") == self.refused:
            raise PointStoreUnavailableError("The point store did not answer.")
        super().delete_matching(collection, where)


def test_one_that_fails_does_not_stop_the_others_and_fails_the_run(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.store = FailingStore()
    world.services.__dict__.pop("store", None)
    world.sync(instance)
    hosted = make_hosted("aa/first", 7)
    world.state.save_repository(TrackedRepository("aa/first", hosted, tracked_at=world.clock.now()))
    untrack_repository("aa/first", world.state, world.clock)
    untrack(world)
    [message] = failed_steps(run_job(world, instance)).values()
    assert "aa/first: The point store did not answer." in message
    assert world.points() == {}
    assert [row.partition_key for _, row in list_untracked(world.services)] == ["aa/first"]


def test_a_key_that_is_still_in_dagster_does_not_bring_the_repository_back(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Untracked by a program that did not tell Dagster, and purged before anything else did."""
    world.sync(instance)
    source = untrack(world)
    assert KEY in instance.get_dynamic_partitions(PARTITIONS_NAME)
    purge_due(world.services, instance)
    assert sync_partitions(world.services, instance) == []
    assert world.state.find_source(source) is None
    assert instance.get_dynamic_partitions(PARTITIONS_NAME) == []


def test_a_key_that_another_repository_has_now_stays(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Deleted and made anew under the same name: another source."""
    world.sync(instance)
    untrack(world)
    anew = TrackedRepository(KEY, make_hosted(KEY, 2), tracked_at=world.clock.now())
    world.state.save_repository(anew)
    assert purge_due(world.services, instance).deleted == {KEY: 8}
    assert list(instance.get_dynamic_partitions(PARTITIONS_NAME)) == [KEY]
    assert world.row.source == SourceId(SourceKind.GITHUB, "2")


# -- the schedule


def test_the_schedule_asks_for_a_run_only_when_something_is_due(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert tick(world, instance) == (0, "No repository waits to be purged.")
    untrack(world)
    world.clock.advance(-60)
    [(due, _)] = list_untracked(world.services)
    text = due.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert tick(world, instance) == (0, f"Nothing to purge yet: octo/cat goes after {text}.")
    world.clock.advance(60)
    assert tick(world, instance) == (1, None)


# -- runs that come late


class PurgedBeforeTheLock(FakeStateStore):
    """Somebody purges everything between a run's first look and its lock."""

    @contextmanager
    def lock_source(self, name: str) -> Iterator[None]:
        for row in self.list_repositories():
            self.forget_source(row.source)
        with super().lock_source(name):
            yield


def test_a_run_that_waited_does_not_bring_a_purged_repository_back(
    world: World, instance: dg.DagsterInstance
) -> None:
    source = world.row.source
    world.state = PurgedBeforeTheLock([world.row])
    world.services.__dict__.pop("state", None)
    [message] = failed_steps(world.sync(instance)).values()
    assert "octo/cat was untracked while this run was under way" in message
    assert world.points() == {}
    assert world.state.find_source(source) is None


def test_purging_the_last_that_has_not_moved_ends_the_rollout_also_after_a_crash(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert world.sync(instance).success
    target, other = world.services.collection.name, SourceId(SourceKind.GITHUB, "77")
    alias, old = (
        world.services.settings.collection,
        f"{world.services.settings.collection}_codegraph-1",
    )
    for at_write in range(20):
        world.store.ensure_collection(CollectionSpec(old, ENCODER_DIM))
        world.store.set_alias(alias, old)
        hosted = replace(make_hosted("octo/other"), source=other)
        row = replace(world.row, partition_key="octo/other", hosted=hosted)
        world.state.save_repository(row)
        world.state.commit_branch(other, make_branch(collection=old))
        untrack_repository("octo/other", world.state, world.clock)
        world.clock.advance(WAIT_SECONDS)
        plan = CrashPlan(at_write, before=True)
        store: Any = CrashingProxy(world.store, plan, STORE_WRITES)
        state: Any = CrashingProxy(world.state, plan, STATE_WRITES | {"forget_source"})
        world.services.__dict__.update(store=store, state=state)
        try:
            purge_due(world.services, instance)
        except Crash:
            died = True
        else:
            died = False
        world.services.__dict__.update(store=world.store, state=world.state)
        if died:
            purge_due(world.services, instance)
        assert world.store.find_alias(alias) == target
        assert world.store.list_collections() == [target]
        assert world.state.find_source(other) is None
        if not died:
            return
    pytest.fail("a purge takes fewer writes")
