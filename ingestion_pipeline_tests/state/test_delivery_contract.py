"""What every delivery store does, the fake included."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ingestion_pipeline.core.deliveries import DeliveryStore
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.state.engine import begin_transaction
from ingestion_pipeline.state.store import SqlStateStore
from ingestion_pipeline_tests.state.samples import NOON, NOON_ELSEWHERE, make_waiting

SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def deliveries(store: StateStore) -> DeliveryStore:
    return store.deliveries


def test_a_delivery_comes_back_as_it_went_in(deliveries: DeliveryStore) -> None:
    waiting = make_waiting(created_at=NOON_ELSEWHERE)
    ended = make_waiting(
        "msg_2",
        -1,
        attempts=3,
        next_attempt_at=None,
        delivered_at=NOON_ELSEWHERE,
        dead_at=LATER,
        last_error="500",
    )

    deliveries.add_delivery(ended)
    deliveries.add_delivery(waiting)

    assert deliveries.list_deliveries() == [waiting, ended]


def test_an_event_that_is_told_twice_is_one_delivery(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting())
    deliveries.add_delivery(make_waiting(body="{}", minutes=5))
    deliveries.record_delivered("msg_1", NOON)
    deliveries.add_delivery(make_waiting())

    [row] = deliveries.list_deliveries()
    assert (row.body, row.delivered_at) == (make_waiting().body, NOON)
    assert deliveries.claim_due(LATER, LATER, 9) == []


def test_those_that_are_due_are_claimed_in_order(deliveries: DeliveryStore) -> None:
    for delivery_id, minutes in (("c", 0), ("b", 0), ("a", 0), ("first", -1), ("not yet", 1)):
        deliveries.add_delivery(make_waiting(delivery_id, minutes))

    claimed = deliveries.claim_due(NOON, LATER, 3)

    assert claimed == [
        replace(make_waiting(delivery_id, minutes), next_attempt_at=LATER)
        for delivery_id, minutes in (("first", -1), ("a", 0), ("b", 0))
    ]
    assert [row.delivery_id for row in deliveries.claim_due(NOON, LATER, 3)] == ["c"]
    assert deliveries.claim_due(NOON, LATER, 3) == []


def test_claims_of_a_sender_that_died_come_back(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting())
    [first] = deliveries.claim_due(NOON, SOON, 9)

    assert deliveries.claim_due(SOON - timedelta(microseconds=1), LATER, 9) == []
    assert deliveries.claim_due(SOON, LATER, 9) == [replace(first, next_attempt_at=LATER)]


def test_a_delivery_that_arrived_is_not_due_again(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting(attempts=1, last_error="500"))

    deliveries.record_delivered("msg_1", SOON)

    [row] = deliveries.list_deliveries()
    assert row == make_waiting(attempts=2, next_attempt_at=None, delivered_at=SOON)
    assert deliveries.claim_due(LATER, LATER, 9) == []


def test_a_failure_is_tried_again_and_at_last_no_more(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting())

    deliveries.record_failure("msg_1", NOON, "500", SOON)
    [row] = deliveries.list_deliveries()
    assert row == make_waiting(attempts=1, next_attempt_at=SOON, last_error="500")
    assert deliveries.list_deliveries(dead=True) == []

    deliveries.record_failure("msg_1", SOON, "502", None)
    [row] = deliveries.list_deliveries(dead=True)
    assert row == make_waiting(attempts=2, next_attempt_at=None, dead_at=SOON, last_error="502")
    assert deliveries.claim_due(LATER, LATER, 9) == []


def test_a_sender_that_was_overtaken_undoes_nothing(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting("arrived"))
    deliveries.add_delivery(make_waiting("dead"))
    deliveries.record_delivered("arrived", NOON)
    deliveries.record_failure("dead", NOON, "410", None)
    ended = deliveries.list_deliveries()

    for delivery_id in ("arrived", "dead"):
        deliveries.record_failure(delivery_id, SOON, "too slow", LATER)
    deliveries.record_delivered("arrived", SOON)
    assert deliveries.list_deliveries() == ended

    deliveries.record_delivered("dead", SOON)
    assert deliveries.list_deliveries(dead=True) == []
    assert {row.delivered_at for row in deliveries.list_deliveries()} == {NOON, SOON}


def test_a_dead_letter_is_revived_with_all_its_tries(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting(attempts=8))
    deliveries.record_failure("msg_1", NOON, "500", None)

    assert deliveries.revive("msg_1", SOON)

    assert deliveries.claim_due(NOON, LATER, 9) == []
    [row] = deliveries.claim_due(SOON, LATER, 9)
    assert row == make_waiting(next_attempt_at=LATER, last_error="500")


def test_only_dead_letters_are_revived(deliveries: DeliveryStore) -> None:
    deliveries.add_delivery(make_waiting("waits"))
    deliveries.add_delivery(make_waiting("arrived"))
    deliveries.record_delivered("arrived", NOON)
    before = deliveries.list_deliveries()

    assert [deliveries.revive(name, LATER) for name in ("waits", "arrived", "?")] == [False] * 3
    assert deliveries.list_deliveries() == before


def test_lists_are_the_newest_of_what_is_asked_for(deliveries: DeliveryStore) -> None:
    for number, job in enumerate(["job 1", "job 2", "job 1"]):
        deliveries.add_delivery(make_waiting(f"msg_{number}", number, job_id=job))
    deliveries.record_failure("msg_0", NOON, "410", None)
    deliveries.record_failure("msg_1", NOON, "410", None)

    def list_ids(**which: Any) -> list[str]:
        return [row.delivery_id for row in deliveries.list_deliveries(**which)]

    assert list_ids() == ["msg_2", "msg_1", "msg_0"]
    assert list_ids(limit=1) == ["msg_2"]
    assert list_ids(job_id="job 1") == ["msg_2", "msg_0"]
    assert list_ids(dead=True) == ["msg_1", "msg_0"]
    assert list_ids(dead=True, job_id="job 1") == ["msg_0"]
    assert list_ids(job_id="none") == []


def test_what_is_unknown_changes_nothing(deliveries: DeliveryStore) -> None:
    deliveries.record_delivered("?", NOON)
    deliveries.record_failure("?", NOON, "500", LATER)

    assert deliveries.list_deliveries() == []


NAIVE = NOON.replace(tzinfo=None)


@pytest.mark.parametrize(
    "use",
    [
        lambda store, at: store.add_delivery(make_waiting("other", next_attempt_at=at)),
        lambda store, at: store.claim_due(NOON, at, 9),
        lambda store, at: store.claim_due(at, LATER, 9),
        lambda store, at: store.record_delivered("msg_1", at),
        lambda store, at: store.record_failure("msg_1", NOON, "500", at),
        lambda store, at: store.revive("msg_1", at),
    ],
)
def test_naive_times_are_refused(
    use: Callable[[DeliveryStore, datetime], object], deliveries: DeliveryStore
) -> None:
    deliveries.add_delivery(make_waiting())

    with pytest.raises(ValueError, match="timezone"):
        use(deliveries, NAIVE)

    assert deliveries.list_deliveries() == [make_waiting()]


def test_of_many_claimers_each_delivery_goes_to_one(deliveries: DeliveryStore) -> None:
    ids = [f"msg_{number:02}" for number in range(60)]
    for delivery_id in ids:
        deliveries.add_delivery(make_waiting(delivery_id))
    start = threading.Barrier(4)

    def claim_all(_number: int) -> list[str]:
        mine: list[str] = []
        start.wait(timeout=30)
        while claimed := deliveries.claim_due(NOON, LATER, 7):
            mine += [row.delivery_id for row in claimed]
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [delivery_id for mine in pool.map(claim_all, range(4)) for delivery_id in mine]

    assert sorted(taken) == ids


@pytest.mark.postgres
def test_a_claim_under_way_is_passed_over_and_not_waited_for(
    postgres_store: SqlStateStore,
) -> None:
    deliveries = postgres_store.deliveries
    with begin_transaction(postgres_store._engine, writes=True) as connection:
        connection.execute(text("DELETE FROM webhook_deliveries"))
    for delivery_id in ("held", "free"):
        deliveries.add_delivery(make_waiting(delivery_id))

    with begin_transaction(postgres_store._engine, writes=True) as other:
        other.execute(
            text("SELECT 1 FROM webhook_deliveries WHERE delivery_id = 'held' FOR UPDATE")
        )
        claimed = [row.delivery_id for row in deliveries.claim_due(NOON, LATER, 9)]

    assert claimed == ["free"]
    assert [row.delivery_id for row in deliveries.claim_due(NOON, LATER, 9)] == ["held"]


def test_errors_that_no_database_takes_are_escaped(sql_store: SqlStateStore) -> None:
    sql_store.deliveries.add_delivery(make_waiting())

    sql_store.deliveries.record_failure("msg_1", NOON, "said \udcff\x00", SOON)

    assert sql_store.deliveries.list_deliveries()[0].last_error == "said \\udcff\\x00"
