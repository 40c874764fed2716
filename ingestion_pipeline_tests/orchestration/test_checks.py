"""What the checks find, how far they look within a run, and that alone they look at everything."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ingestion_pipeline.core.errors import HostNotAllowedError, PointStoreUnavailableError
from ingestion_pipeline.core.points import CollectionSpec, Point, PointFilter, StoredPoint
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.orchestration import checks
from ingestion_pipeline.orchestration import verify as verification
from ingestion_pipeline.orchestration.checks import all_checks
from ingestion_pipeline.orchestration.resources import lock_repository, make_resources
from ingestion_pipeline.points.write import branch_filter
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.orchestration.world import KEY, World


class CountingStore(FakePointStore):
    """Knows how many points were read, and how many of them with their vectors."""

    points_read = 0
    vectors_read = 0

    def scroll(
        self,
        collection: str,
        where: PointFilter,
        *,
        with_vectors: bool = False,
        batch_size: int = 1000,
    ) -> Iterator[StoredPoint]:
        found = super().scroll(collection, where, with_vectors=with_vectors, batch_size=batch_size)
        for point in found:
            self.points_read += 1
            self.vectors_read += with_vectors
            yield point


def run_alone(world: World, instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    """Execute the checks without a run of the partition."""
    definitions = dg.Definitions(
        asset_checks=list(all_checks()),
        jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks())],
        resources=make_resources(world.open),
        executor=dg.in_process_executor,
    )
    result = definitions.resolve_job_def("checks").execute_in_process(
        instance=instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return by_name(result)


def by_name(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def list_failed(found: dict[str, dg.AssetCheckEvaluation]) -> set[str]:
    return {name for name, check in found.items() if not check.passed}


def get_point(world: World, path: str, symbol: str = "") -> Point:
    stored = world.points()["main", path, symbol]
    return world.store.collections[world.services.collection.name][stored.id]


def put(world: World, point: Point) -> None:
    world.store.upsert(world.services.collection.name, [point])


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def counting(
    tmp_path: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    store: CountingStore,
) -> World:
    """A world that counts what is read of its points."""
    monkeypatch.setenv("INGESTION_HOME", str(tmp_path))
    made = World(tmp_path, store=store)
    made.track(instance)
    return made


def test_all_pass_after_a_sync_and_alone(world: World, instance: dg.DagsterInstance) -> None:
    found = by_name(world.sync(instance))
    assert len(found) == len(all_checks())
    assert {check.description for check in found.values()} == {"octo/cat: as it should be."}
    assert list_failed(found) == set()
    assert list_failed(run_alone(world, instance)) == set()


def test_a_branch_that_moved_is_not_counted_where_another_still_is(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGESTION_HOME", str(tmp_path))
    world = World(tmp_path)
    world.git.create_branch("next", world.git.head())
    world.host.push(KEY, "next", world.git.head(), "2026-01-31T12:00:00Z")
    world.track(instance, ("main", "next"))
    assert world.sync(instance).success
    old, new = world.services.collection.name, "code_hashbag-1"
    world.store.ensure_collection(CollectionSpec(new, ENCODER_DIM))
    world.store.upsert(new, list(world.store.collections[old].values()))
    source = world.row.source
    world.store.delete_matching(new, branch_filter(source, "next"))
    [main] = [row for row in world.state.list_branches(source) if row.branch == "main"]
    world.state.commit_branch(source, replace(main, collection=new))
    assert "points_match_state" not in list_failed(run_alone(world, instance))


def test_a_missing_point_is_found_by_number_and_by_name(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    lost = get_point(world, "src/purr.py", "purr")
    world.store.delete(world.services.collection.name, [lost.id])
    found = run_alone(world, instance)
    assert list_failed(found) == {"points_match_state", "points_match_tree"}
    said = found["points_match_tree"].description or ""
    assert "1 points of the state are not in the store: src/purr.py (1 of 2)" in said


def test_one_point_in_the_place_of_another_is_seen_by_the_tree_alone(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    put(world, replace(get_point(world, "README.md"), id="6f1c3b0e-6f0e-5f0b-9d5e-0d1f5a7c2b99"))
    lost = get_point(world, "src/purr.py", "purr")
    world.store.delete(world.services.collection.name, [lost.id])
    assert list_failed(run_alone(world, instance)) == {"points_match_tree"}


def test_a_vector_that_is_not_of_unit_length_is_found(
    counting: World, instance: dg.DagsterInstance
) -> None:
    counting.sync(instance)
    stored = counting.store.collections[counting.services.collection.name]
    point = get_point(counting, "README.md")
    # The fake normalises what is upserted, as Qdrant does, but cannot make a length of nothing.
    put(counting, replace(point, dense=(0.0,) * len(point.dense)))
    assert stored[point.id].dense[0] == 0.0
    assert list_failed(run_alone(counting, instance)) == {"vectors_are_unit_length"}


def test_a_run_that_wrote_little_compares_every_point(
    counting: World, instance: dg.DagsterInstance, store: CountingStore
) -> None:
    result = counting.sync(instance)
    assert list_failed(by_name(result)) == set()
    # Every one for the tree, every one with its vector, and the branch's own for its stamp.
    assert (store.points_read, store.vectors_read) == (8 + 8 + 1, 8)


def test_a_run_that_wrote_nothing_only_counts(
    counting: World, instance: dg.DagsterInstance, store: CountingStore
) -> None:
    counting.sync(instance)
    before = store.points_read - store.vectors_read
    counting.clock.advance(60)
    found = by_name(counting.sync(instance))
    assert store.points_read - store.vectors_read == before + 1, "the branch's own, for its stamp"
    said = found["points_match_tree"].description or ""
    assert "as it should be; octo/cat: compared by numbers, since the run had nothing" in said
    assert "`ingestion-pipeline verify octo/cat` compares all" in said


def test_a_run_reads_so_many_points_and_no_more(
    counting: World,
    instance: dg.DagsterInstance,
    store: CountingStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verification, "MAX_POINTS_IN_RUN", 7)
    monkeypatch.setattr(checks, "MAX_VECTORS_IN_RUN", 3)
    found = by_name(counting.sync(instance))
    assert list_failed(found) == set()
    assert (store.points_read, store.vectors_read) == (3 + 1, 3)
    assert "8 points are more than the 7" in (found["points_match_tree"].description or "")
    assert list_failed(run_alone(counting, instance)) == set()
    assert store.vectors_read == 3 + 8, "alone everything is read"


def test_counting_notices_a_point_that_went(
    counting: World, instance: dg.DagsterInstance, store: CountingStore
) -> None:
    """Between a run that wrote nothing and its checks."""
    counting.sync(instance)
    counting.clock.advance(60)
    counting.sync(instance)
    [line] = counting.state.list_syncs(KEY, limit=1)
    lost = get_point(counting, "src/purr.py", "purr")
    store.delete(counting.services.collection.name, [lost.id])
    read = store.points_read
    report, reason = verification.verify_in_run(counting.services, counting.row, line.run_id)
    assert report.describe() == ["main: 1 points of the state are not in the store"]
    assert reason == "the run had nothing to write"
    assert store.points_read == read


def test_alone_a_repository_that_is_being_synced_is_left_out(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.sync(instance)
    with lock_repository(world.services, world.row.source):
        found = run_alone(world, instance)["points_match_tree"]
    assert found.passed
    assert "octo/cat: not looked at, a run is working on it" in (found.description or "")


def test_a_repository_that_cannot_be_looked_at_fails_the_check_and_not_the_run(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_hosted: object) -> None:
        raise HostNotAllowedError("Clones from github.com are not allowed any more.")

    world.sync(instance)
    monkeypatch.setattr(world.host, "get_fetch_source", refuse)
    found = run_alone(world, instance)
    assert list_failed(found) == {"points_match_tree"}
    assert "not allowed any more" in (found["points_match_tree"].description or "")


def test_a_store_that_is_away_fails_the_checks_and_not_the_run(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(*_args: object) -> int:
        raise PointStoreUnavailableError("The store did not answer.")

    world.sync(instance)
    monkeypatch.setattr(world.store, "count", time_out)
    assert {"points_match_state", "points_match_tree"} <= list_failed(run_alone(world, instance))
