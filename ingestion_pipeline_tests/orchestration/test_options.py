"""Options of one sync: which branches it looks at, and which files are left out from then on."""

from typing import Any

import dagster as dg
import pytest

from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.orchestration.freshness_check import check_freshness
from ingestion_pipeline.orchestration.jobs import make_run_config
from ingestion_pipeline.tracking.track import untrack_repository
from ingestion_pipeline_tests.orchestration.world import (
    KEY,
    World,
    failed_steps,
    materialization,
)

BRANCHES = ("main", "dev")


@pytest.fixture
def both(world: World, instance: dg.DagsterInstance) -> World:
    """Both branches tracked and indexed, then a push to each."""
    world.push({"dev.py": "def dev():\n    pass\n"}, "dev")
    world.track(instance, BRANCHES)
    assert world.sync(instance).success
    world.push({"new_main.py": "def new_main():\n    pass\n"})
    world.push({"new_dev.py": "def new_dev():\n    pass\n"}, "dev")
    return world


def run(world: World, instance: dg.DagsterInstance, options: SyncOptions) -> Any:
    job = world.definitions.resolve_job_def("sync_repository")
    return job.execute_in_process(
        instance=instance,
        partition_key=KEY,
        raise_on_error=False,
        run_config=make_run_config(options)
        | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def decide(world: World, instance: dg.DagsterInstance) -> str:
    [decision] = check_freshness(world.services, instance, [world.row]).decisions
    return decision.action.value


def test_only_the_branches_named_are_looked_at(both: World, instance: dg.DagsterInstance) -> None:
    before = {at: point for at, point in both.points().items() if at[0] == "dev"}
    result = run(both, instance, SyncOptions(branches=("main",)))
    assert result.success
    assert [check for check in result.get_asset_check_evaluations() if not check.passed] == []
    assert "new_main.py" in both.paths()
    after = {at: point for at, point in both.points().items() if at[0] == "dev"}
    assert after == before


def test_what_was_left_out_is_not_taken_for_fresh(
    both: World, instance: dg.DagsterInstance
) -> None:
    run(both, instance, SyncOptions(branches=("main",)))
    assert decide(both, instance) == "run"
    both.sync(instance)
    assert "new_dev.py" in both.paths("dev")
    assert decide(both, instance) == "up_to_date"


def test_all_of_the_branches_are_the_whole(both: World, instance: dg.DagsterInstance) -> None:
    run(both, instance, SyncOptions(branches=("dev", "main")))
    assert decide(both, instance) == "up_to_date"


def test_a_full_reindex_of_one_branch_leaves_the_other(
    both: World, instance: dg.DagsterInstance
) -> None:
    both.sync(instance)
    result = run(both, instance, SyncOptions(full_reindex=True, branches=("dev",)))
    metadata = materialization(result).metadata
    dev = sum(at[0] == "dev" for at in both.points())
    assert metadata["points_changed"].value == dev


def test_a_branch_that_is_not_tracked_fails_the_run(
    both: World, instance: dg.DagsterInstance
) -> None:
    before = both.points()
    result = run(both, instance, SyncOptions(branches=("main", "feature")))
    [message] = failed_steps(result).values()
    assert "feature is not tracked of octo/cat; main, dev is" in message
    assert both.points() == before


def test_patterns_are_kept_for_later_syncs(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    assert "src/purr.py" in world.paths()
    result = run(world, instance, SyncOptions(ignore_patterns=("purr.py",)))
    assert result.success
    assert "src/purr.py" not in world.paths()
    assert world.row.ignore_patterns == ("purr.py",)
    assert decide(world, instance) == "up_to_date"
    world.push({"src/other/purr.py": "def again():\n    pass\n"})
    world.sync(instance)
    assert not [path for path in world.paths() if path.endswith("purr.py")]
    run(world, instance, SyncOptions(ignore_patterns=()))
    assert {"src/purr.py", "src/other/purr.py"} <= world.paths()


def test_an_unsound_pattern_changes_nothing(world: World, instance: dg.DagsterInstance) -> None:
    result = run(world, instance, SyncOptions(ignore_patterns=("[z-",)))
    assert "cannot match" in next(iter(failed_steps(result).values()))
    assert world.row.ignore_patterns == ()


def test_a_job_does_not_bring_back_what_was_purged(
    world: World, instance: dg.DagsterInstance
) -> None:
    job = world.definitions.resolve_job_def("sync_repository")
    untrack_repository(KEY, world.state, world.clock)
    world.state.forget_source(world.host.find_repository(KEY).source)
    result = job.execute_in_process(
        instance=instance,
        partition_key=KEY,
        raise_on_error=False,
        tags={"ingestion/job_id": "job"},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert "was untracked while this run waited" in next(iter(failed_steps(result).values()))
    assert world.state.list_repositories(include_untracked=True) == []


def test_a_sync_knows_whether_it_was_full(world: World, instance: dg.DagsterInstance) -> None:
    for options in (SyncOptions(), SyncOptions(), SyncOptions(full_reindex=True)):
        world.clock.advance(60)
        assert run(world, instance, options).success
    lines = world.state.list_syncs(KEY)
    assert [line.is_full for line in lines] == [True, False, True]
    assert lines[0].commits_pulled == 0
