"""A run of the asset: what it writes, what it shows, and what a second run leaves alone."""

from typing import Any, cast

import dagster as dg
import numpy as np

from ingestion_pipeline.core.state import SyncStatus
from ingestion_pipeline.embed.installed import use_encoder
from ingestion_pipeline.embed.version import UNTRAINED
from ingestion_pipeline.freshness.evidence import Action
from ingestion_pipeline.orchestration.freshness_check import check_freshness
from ingestion_pipeline.orchestration.run_facts import read_materializations
from ingestion_pipeline_tests.orchestration.world import KEY, World, failed_steps, materialization


def get_values(shown: dg.AssetMaterialization) -> dict[str, Any]:
    return {name: value.value for name, value in shown.metadata.items()}


def test_a_tracked_repository_becomes_points(world: World, instance: dg.DagsterInstance) -> None:
    result = world.sync(instance)
    assert failed_steps(result) == {}
    assert result.success
    points = world.points()
    assert set(points) == {
        ("main", "", ""),
        ("main", "README.md", ""),
        ("main", "src/purr.py", ""),
        ("main", "src/purr.py", "purr"),
        ("main", "src/voice.py", ""),
        ("main", "src/voice.py", "Voice"),
        ("main", "src/voice.py", "Voice.speak"),
        ("main", "src/voice.py", "loud"),
    }
    purr = points["main", "src/purr.py", "purr"].payload
    assert purr["kind"] == "function"
    assert (purr["start_line"], purr["end_line"]) == (4, 6)
    assert purr["repo"] == KEY
    assert purr["repo_id"] == 1
    assert purr["language"] == "python"
    assert purr["commit_sha"] == world.git.head("main")
    assert purr["last_pushed_at"] == "2026-01-01T00:00:00Z"


def test_the_materialization_says_what_was_done(world: World, instance: dg.DagsterInstance) -> None:
    shown = materialization(world.sync(instance))
    values = get_values(shown)
    assert values["pushed_at"] == "2026-01-01T00:00:00Z"
    assert values["heads"] == {"main": world.git.head("main")}
    assert (values["files"], values["symbols"]) == (3, 4)
    assert (values["points"], values["points_added"]) == (8, 8)
    assert (values["points_changed"], values["points_deleted"]) == (0, 0)
    assert values["edges"] > 0
    languages = {r.data["language"]: r.data["files"] for r in values["languages"].records}
    assert languages == {"python": 2, "markdown": 1}
    assert "data:image/png;base64," in values["code_map"]
    assert {f"seconds_{stage}" for stage in ("clone", "parse", "embed", "upsert")} <= set(values)
    [stored] = read_materializations(instance).values()
    assert stored.pushed_at == "2026-01-01T00:00:00Z"
    assert stored.code_version == world.services.make_fingerprint(world.row)


def test_all_checks_run_and_pass(world: World, instance: dg.DagsterInstance) -> None:
    result = world.sync(instance)
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {
        "points_match_state": True,
        "points_match_tree": True,
        "pushed_at_matches_materialization": True,
        "vectors_are_unit_length": True,
    }


def test_checks_notice_a_store_that_lost_or_gained_points(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    collection = world.services.collection.name
    world.store.delete(collection, [world.points()["main", "README.md", ""].id])
    result = dg.materialize(
        cast(Any, [*(world.definitions.assets or ()), *(world.definitions.asset_checks or ())]),
        selection=dg.AssetSelection.checks_for_assets("repository_points"),
        instance=instance,
        resources=dict(world.definitions.resources or {}),
        raise_on_error=False,
    )
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks["points_match_state"] is False
    assert checks["vectors_are_unit_length"] is True


def test_a_second_run_writes_only_the_repositorys_own_point(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    before, written = world.points(), len(world.store.upserted_ids)
    world.clock.advance(3600)
    world.host.push_elsewhere(KEY, "2026-02-02T00:00:00Z")
    result = world.sync(instance)
    assert result.success
    assert world.store.upserted_ids[written:] == (before["main", "", ""].id,)
    after = world.points()
    assert after["main", "", ""].payload["last_pushed_at"] == "2026-02-02T00:00:00Z"
    assert after["main", "src/purr.py", "purr"] == before["main", "src/purr.py", "purr"]
    values = get_values(materialization(result))
    assert (values["points_added"], values["points_deleted"]) == (0, 0)
    assert values["points_unchanged"] == 7
    assert (values["files"], values["symbols"], values["files_parsed"]) == (3, 4, 0)


def test_a_push_touches_only_what_changed(world: World, instance: dg.DagsterInstance) -> None:
    use_encoder(world.services.encoders_path, UNTRAINED)  # moves no neighbours
    world.sync(instance)
    before, written = world.points(), len(world.store.upserted_ids)
    world.push({"src/new.py": "def meow():\n    pass\n", "src/voice.py": None})
    assert world.sync(instance).success
    after = world.points()
    assert world.paths() == {"README.md", "src/purr.py", "src/new.py"}
    written_ids = set(world.store.upserted_ids[written:])
    assert written_ids == {
        after["main", "src/new.py", ""].id,
        after["main", "src/new.py", "meow"].id,
        after["main", "", ""].id,
    }
    assert after["main", "README.md", ""] == before["main", "README.md", ""]


def test_a_force_push_leaves_nothing_of_what_it_replaced(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    world.push({"only.go": "package only\n\nfunc Only() {}\n"}, orphan=True)
    assert world.sync(instance).success
    assert world.paths() == {"only.go"}


def test_several_branches_share_a_repository(world: World, instance: dg.DagsterInstance) -> None:
    world.push({"extra.rb": "def extra\nend\n"}, branch="next", orphan=True)
    world.track(instance, ["main", "next"])
    assert world.sync(instance).success
    assert world.paths("next") == {"extra.rb"}
    world.track(instance, ["main"])
    assert world.sync(instance).success
    assert world.paths("next") == set()
    assert world.paths("main") == {"README.md", "src/purr.py", "src/voice.py"}


def test_a_renamed_repository_keeps_its_points(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    before = {place: point.id for place, point in world.points().items()}
    world.rename("octo/lion")
    assert world.sync(instance).success
    assert {place: point.id for place, point in world.points().items()} == before
    assert {point.payload["repo"] for point in world.points().values()} == {"octo/lion"}
    assert world.row.partition_key == "octo/lion"


def test_a_lost_store_is_written_again(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    before = world.points()
    world.store.drop_collection(world.services.collection.name)
    assert world.sync(instance).success
    assert world.points().keys() == before.keys()


def test_a_history_line_is_kept(world: World, instance: dg.DagsterInstance) -> None:
    result = world.sync(instance)
    [line] = world.state.list_syncs(KEY)
    assert line.run_id == result.run_id
    assert line.status is SyncStatus.COMPLETE
    assert (line.files, line.points_added) == (3, 8)


def test_vectors_are_unit_length_and_finite(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    collection = world.services.collection.name
    ids = [point.id for point in world.points().values()]
    stored = world.store.retrieve(collection, ids, with_vectors=True)
    norms = [float(np.linalg.norm(np.asarray(point.dense))) for point in stored]
    np.testing.assert_allclose(norms, 1.0, atol=1e-3)


def test_another_limit_on_files_makes_every_partition_stale_and_takes_effect(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.push({"large.txt": "word\n" * 1000})
    world.sync(instance)
    assert "large.txt" in world.paths()
    for limit, present in ((1, False), (1024, True)):
        world.services.settings = world.services.settings.model_copy(update={"max_file_kib": limit})
        [decision] = check_freshness(world.services, instance, [world.row]).decisions
        assert "pipeline changed" in decision.reason
        assert world.sync(instance).success
        assert ("large.txt" in world.paths()) == present
        [decision] = check_freshness(world.services, instance, [world.row]).decisions
        assert decision.action is Action.UP_TO_DATE
