"""Syncs of everything that is stale: the check, its jobs, its end."""

from typing import Any, cast

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.core.errors import HostUnavailableError
from ingestion_pipeline.core.jobs import JobStatus, Sweep
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.orchestration.sweeps import begin_sweep, read_standing, tend_sweep
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.crashing import Crash, CrashingProxy, CrashPlan
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World


@pytest.fixture
def two(world: World) -> World:
    world.host.add(make_hosted("octo/dog", 2), world.heads)
    track_repository("octo/dog", None, world.services.hosts, world.state, world.clock)
    return world


def newest(world: World) -> Sweep:
    sweep = world.state.jobs.find_newest_sweep()
    assert sweep is not None
    return sweep


def end_jobs(world: World) -> None:
    for job in world.state.jobs.list_unended():
        world.state.jobs.record_ended(job.job_id, JobStatus.COMPLETED, world.clock.now())


def test_what_is_stale_gets_a_job_and_what_is_fresh_none(
    two: World, instance: dg.DagsterInstance
) -> None:
    two.sync(instance)
    sweep = begin_sweep(two.services, "a test")
    assert read_standing(two.services, instance) == (sweep, 2)
    assert tend_sweep(two.services, instance)
    [job] = two.state.jobs.list_unended()
    assert (job.partition_key, job.sweep_id) == ("octo/dog", sweep.sweep_id)
    assert read_standing(two.services, instance) == (newest(two), 1)
    assert not tend_sweep(two.services, instance)
    assert newest(two).ended_at is None
    end_jobs(two)
    tend_sweep(two.services, instance)
    assert newest(two).ended_at == two.clock.now()
    assert read_standing(two.services, instance) == (None, 0)


def test_with_nothing_stale_it_ends_at_once(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    begin_sweep(world.services, "a test")
    tend_sweep(world.services, instance)
    assert newest(world).ended_at == world.clock.now()
    assert not tend_sweep(world.services, instance)


def test_more_are_stale_than_may_wait_otherwise(two: World, instance: dg.DagsterInstance) -> None:
    changes = {"max_queued_jobs": 1}
    two.services.settings = two.services.settings.model_copy(update=changes)
    begin_sweep(two.services, "a test")
    tend_sweep(two.services, instance)
    assert {job.partition_key for job in two.state.jobs.list_unended()} == {KEY, "octo/dog"}


def test_what_is_under_way_already_is_left_to_that(
    two: World, instance: dg.DagsterInstance
) -> None:
    tags = {PARTITION_TAG: KEY}
    run = dg.DagsterRun("sync_repository", run_id="sensors", status=Status.STARTED, tags=tags)
    instance.run_storage.add_run(run)
    begin_sweep(two.services, "a test")
    tend_sweep(two.services, instance)
    assert [job.partition_key for job in two.state.jobs.list_unended()] == ["octo/dog"]


def test_a_host_that_does_not_answer_is_told(world: World, instance: dg.DagsterInstance) -> None:
    world.host.break_down(HostUnavailableError("GitHub does not answer."))
    begin_sweep(world.services, "a test")
    tend_sweep(world.services, instance)
    assert "GitHub does not answer." in newest(world).problem
    assert newest(world).ended_at is not None


def test_two_processes_do_not_check_at_once(two: World, instance: dg.DagsterInstance) -> None:
    begin_sweep(two.services, "a test")
    with two.state.lock_source("sweep"):
        assert not tend_sweep(two.services, instance)
    assert newest(two).checked_at is None
    assert tend_sweep(two.services, instance)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at_write", range(4))
def test_who_is_killed_in_between_goes_on(
    two: World, instance: dg.DagsterInstance, at_write: int, before: bool
) -> None:
    """Killed at any write of the jobs' store, before or after it: in the end one job each."""
    sweep = begin_sweep(two.services, "a test")
    jobs, plan = two.state.jobs, CrashPlan(at_write, before=before)
    writes = frozenset({"accept", "record_sweep_checked", "record_sweep_ended"})
    cast("Any", two.state)._jobs = CrashingProxy(jobs, plan, writes)
    try:
        tend_sweep(two.services, instance)
        end_jobs(two)
        tend_sweep(two.services, instance)
    except Crash:
        tend_sweep(two.services, instance)
    assert plan.writes > at_write
    found = jobs.list_unended()
    if at_write < 3:
        assert sorted(job.partition_key for job in found) == [KEY, "octo/dog"]
        assert {job.sweep_id for job in found} == {sweep.sweep_id}
        assert (newest(two).total, newest(two).ended_at) == (2, None)
    else:
        assert newest(two).ended_at is not None
