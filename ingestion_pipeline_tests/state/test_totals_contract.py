"""What every ``StateStore`` adds up, the fake included."""

from datetime import timedelta

from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.core.state import StateStore, SyncStatus
from ingestion_pipeline.core.totals import StateTotals, SyncTotals
from ingestion_pipeline_tests.state.samples import (
    NOON,
    make_branch,
    make_repository,
    make_source,
    make_sync,
    make_waiting,
)

BOUNDS = (1.0, 10.0)


def test_an_empty_state_adds_up_to_nothing(store: StateStore) -> None:
    assert store.read_totals(BOUNDS) == StateTotals([], {}, 0, 0, 0, 0, 0)


def test_durations_are_counted_by_their_bounds(store: StateStore) -> None:
    for number, seconds in enumerate((0.5, 1.0, 1.5, 10.0, 12.25)):
        store.record_sync(make_sync(f"run {number}", duration_seconds=seconds))
    [totals] = store.read_totals(BOUNDS).syncs
    assert totals == SyncTotals(SyncStatus.COMPLETE, True, 25.25, (2, 2, 1))


def test_syncs_are_told_apart_by_end_and_kind(store: StateStore) -> None:
    store.record_sync(make_sync("first", is_full=True, duration_seconds=20.0))
    store.record_sync(make_sync("second", is_full=False, duration_seconds=0.5))
    store.record_sync(make_sync("third", is_full=False, duration_seconds=0.25))
    failed = make_sync("fourth", is_full=False, status=SyncStatus.FAILED, duration_seconds=2.0)
    store.record_sync(failed)
    totals = store.read_totals(BOUNDS).syncs
    assert sorted(totals, key=lambda item: item.seconds) == [
        SyncTotals(SyncStatus.COMPLETE, False, 0.75, (2, 0, 0)),
        SyncTotals(SyncStatus.FAILED, False, 2.0, (0, 1, 0)),
        SyncTotals(SyncStatus.COMPLETE, True, 20.0, (0, 0, 1)),
    ]


def test_repositories_are_counted_while_they_are_tracked(store: StateStore) -> None:
    for number, name in enumerate(("a/a", "a/b", "a/c", "a/d"), 1):
        store.save_repository(make_repository(number, name))
    store.set_status(make_source(2), RepositoryStatus.NOT_FOUND, "gone")
    store.untrack_repository("a/d", NOON)
    store.commit_branch(make_source(1), make_branch(point_count=6))
    store.commit_branch(make_source(1), make_branch("next", point_count=4))
    store.commit_branch(make_source(4), make_branch(point_count=1))
    totals = store.read_totals(BOUNDS)
    assert totals.repositories == {RepositoryStatus.ACTIVE: 2, RepositoryStatus.NOT_FOUND: 1}
    assert totals.unindexed == 2
    assert totals.points == 11  # those of an untracked one are there until it is purged


def test_a_repository_fails_until_its_next_sync_does_not(store: StateStore) -> None:
    for number, name in enumerate(("a/a", "a/b", "a/c"), 1):
        store.save_repository(make_repository(number, name))
    of_both = {"partition_key": "a/a", "source": make_source(1)}
    store.record_sync(make_sync("earlier", 1, **of_both))
    store.record_sync(make_sync("later", 2, status=SyncStatus.FAILED, **of_both))
    store.record_sync(make_sync("mended", 2, source=make_source(2)))
    store.record_sync(make_sync("broken", 1, source=make_source(2), status=SyncStatus.FAILED))
    store.record_sync(make_sync("unknown", 3, source=None, status=SyncStatus.FAILED))
    assert store.read_totals(BOUNDS).failing == 1
    store.untrack_repository("a/a", NOON)
    assert store.read_totals(BOUNDS).failing == 0


def test_webhooks_wait_or_are_given_up(store: StateStore) -> None:
    for name in ("waits", "dead", "arrived", "tried"):
        store.deliveries.add_delivery(make_waiting(name))
    store.deliveries.record_delivered("arrived", NOON)
    store.deliveries.record_failure("dead", NOON, "410", None)
    store.deliveries.record_failure("tried", NOON, "500", NOON + timedelta(minutes=1))
    totals = store.read_totals(BOUNDS)
    assert (totals.deliveries_pending, totals.deliveries_dead) == (2, 1)
