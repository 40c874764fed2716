"""A failure at the border of each op leaves earlier points as they were, and the next run mends."""

from typing import Any

import dagster as dg
import pytest

from ingestion_pipeline.core.errors import (
    HostUnavailableError,
    PointStoreUnavailableError,
    RateLimitedError,
    RepositoryNotFoundError,
)
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.core.state import SyncStatus
from ingestion_pipeline_tests.fakes.point_store import FakePointStore, WriteFault
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.orchestration.world import KEY, World, failed_steps

NEW = {"src/new.py": "def meow():\n    pass\n", "src/voice.py": None}


def fail_store(world: World, error: BaseException, when: Any = "before") -> None:
    """Make the next write of the world's store fail, with all its points kept."""
    old = world.store
    specs = list(old.specs.values())
    points = {name: list(held.values()) for name, held in old.collections.items()}
    faults = [WriteFault(0, error, when)]
    world.store = FakePointStore(specs, points, faults=faults, aliases=old.aliases)
    world.services.__dict__.pop("store", None)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_dies_once_is_tried_again_in_the_same_run(
    world: World, instance: dg.DagsterInstance, when: str
) -> None:
    world.sync(instance)
    world.push(NEW)
    fail_store(world, PointStoreUnavailableError("timed out"), when)
    result = world.sync(instance)
    assert result.success
    assert world.paths() == {"README.md", "src/purr.py", "src/new.py"}


def test_a_broken_upsert_fails_the_run_and_the_next_one_mends(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    world.push(NEW)
    fail_store(world, RuntimeError("the disk is on fire"))
    result = world.sync(instance)
    assert set(failed_steps(result)) == {"repository_points.upsert_points"}
    assert "src/voice.py" in world.paths()
    assert world.sync(instance).success
    assert world.paths() == {"README.md", "src/purr.py", "src/new.py"}


def test_a_host_that_is_down_fails_the_clone_and_keeps_the_points(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    before = world.points()
    world.host.break_down(HostUnavailableError("GitHub answered 502"))
    result = world.sync(instance)
    assert set(failed_steps(result)) == {"repository_points.clone_repository"}
    assert "GitHub answered 502" in failed_steps(result)["repository_points.clone_repository"]
    assert world.points() == before
    assert world.state.list_syncs(KEY)[0].error == "GitHub answered 502"
    world.host.recover()
    assert world.sync(instance).success


def test_a_rate_limit_is_not_waited_for_inside_a_run(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.host.break_down(RateLimitedError("The rate limit is used up until 12:00."))
    result = world.sync(instance)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_repository_that_is_gone_is_shown_as_gone_and_keeps_its_points(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    before = world.points()
    world.host.refuse(KEY, RepositoryNotFoundError("GitHub has no octo/cat any more."))
    result = world.sync(instance)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert world.points() == before
    assert world.row.hosted.status is RepositoryStatus.NOT_FOUND
    assert world.row.status_detail == "GitHub has no octo/cat any more."
    newest = world.state.list_syncs(KEY)[0]
    assert newest.status is SyncStatus.FAILED
    assert "GitHub has no octo/cat any more." in newest.error


def test_one_branch_of_two_is_gone_and_the_other_still_moves(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.push({"extra.rb": "def extra\nend\n"}, branch="next", orphan=True)
    world.track(instance, ["main", "next"])
    world.sync(instance)
    world.git.delete_branch("next")
    world.host.delete_branch(KEY, "next", "2026-03-03T00:00:00Z")
    world.push(NEW)
    result = world.sync(instance)
    assert result.success
    assert "src/new.py" in world.paths("main")
    assert world.paths("next") == {"extra.rb"}
    [event] = result.get_asset_materialization_events()
    assert (
        event.step_materialization_data.materialization.metadata["missing_branches"].value == "next"
    )


def test_the_only_branch_is_gone(world: World, instance: dg.DagsterInstance) -> None:
    world.push({"extra.rb": "def extra\nend\n"}, branch="next", orphan=True)
    world.track(instance, ["next"])
    world.sync(instance)
    before = world.points()
    world.git.delete_branch("next")
    result = world.sync(instance)
    [message] = failed_steps(result).values()
    assert "next" in message
    assert "ingestion-pipeline track octo/cat --branch" in message
    assert world.points() == before


def test_a_run_that_is_in_progress_keeps_others_out(
    world: World, instance: dg.DagsterInstance
) -> None:
    with world.state.lock_source("sync:github:1"):
        result = world.sync(instance)
    assert not result.success
    assert world.points() == {}
    assert world.sync(instance).success


def test_an_empty_repository_is_no_error(world: World, instance: dg.DagsterInstance) -> None:
    empty = GitRepository(world.folder / "empty.git")
    world.host.set_clone_url(KEY, str(empty.path))
    result = world.sync(instance)
    assert result.success
    assert world.points() == {}
    [event] = result.get_asset_materialization_events()
    assert event.step_materialization_data.materialization.metadata["head"].value == "none"


def test_an_emptied_repository_keeps_its_points(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    before = world.points()
    empty = GitRepository(world.folder / "empty.git")
    world.host.set_clone_url(KEY, str(empty.path))
    assert world.sync(instance).success
    assert world.points() == before


def test_a_repository_without_any_parsable_file_has_its_own_point(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.push({"logo.bin": b"\x00\x01\x02", "empty.py": ""}, orphan=True)
    result = world.sync(instance)
    assert result.success
    assert set(world.points()) == {("main", "", "")}


def test_large_odd_and_linked_files_do_not_stop_a_sync(
    world: World, instance: dg.DagsterInstance
) -> None:
    from ingestion_pipeline_tests.git_repositories import Submodule, Symlink

    world.push(
        {
            b"caf\xe9.py": "def latin():\n    pass\n",
            "huge.txt": b"x" * 50_000_000,
            "link.py": Symlink("../../etc/passwd"),
            "vendor/lib": Submodule(),
        }
    )
    result = world.sync(instance)
    assert result.success
    assert "caf\\xe9.py" in world.paths()
    [event] = result.get_asset_materialization_events()
    skipped = event.step_materialization_data.materialization.metadata["skipped_files"].value
    assert skipped == {"too large": 1, "symlink": 1, "submodule": 1}
