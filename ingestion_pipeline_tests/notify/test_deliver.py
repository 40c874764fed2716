"""Deliveries from the first try to the last, over real receivers and a clock that tests move."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.deliveries import Delivery
from ingestion_pipeline.notify.deliver import (
    CLAIM_SECONDS,
    RETRY_DELAYS_SECONDS,
    Attempt,
    Outcome,
    deliver_due,
    plan_retry,
)
from ingestion_pipeline.notify.events import make_delivery
from ingestion_pipeline.notify.sender import Answer
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.fakes.delivery_store import FakeDeliveryStore
from ingestion_pipeline_tests.notify.samples import make_completed, make_sender
from ingestion_pipeline_tests.servers.webhook_receiver import (
    Behaviour,
    WebhookReceiver,
    answer,
    say,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_what_arrived_is_recorded_and_not_sent_again(
    receiver: WebhookReceiver, clock: FakeClock
) -> None:
    delivery = make_completed(receiver.url)
    store = FakeDeliveryStore([delivery])
    send = make_sender().send

    assert deliver_due(store, send, clock) == [
        Attempt(delivery.delivery_id, "127.0.0.1", Outcome.DELIVERED)
    ]
    clock.advance(86_400)
    assert deliver_due(store, send, clock) == []

    assert len(receiver.seen) == 1
    [row] = store.list_deliveries()
    assert (row.delivered_at, row.attempts, row.last_error) == (START, 1, "")


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (answer(500), "It answered 500."),
        (answer(404), "It answered 404."),
        (answer(302, location="http://127.0.0.1/"), "redirects are not followed"),
        (say(b""), "disconnected"),
    ],
)
def test_failures_are_tried_again_on_schedule_and_at_last_no_more(
    receiver: WebhookReceiver, clock: FakeClock, behaviour: Behaviour, says: str
) -> None:
    receiver.behaviour = behaviour
    store = FakeDeliveryStore([make_completed(receiver.url)])
    send = make_sender().send

    for delay in RETRY_DELAYS_SECONDS:
        [attempt] = deliver_due(store, send, clock)
        assert attempt.outcome is Outcome.WAITING
        assert attempt.next_attempt_at == clock.now() + timedelta(seconds=delay)
        clock.advance(delay - 1)
        assert deliver_due(store, send, clock) == []
        clock.advance(1)
    [last] = deliver_due(store, send, clock)

    assert (last.outcome, last.next_attempt_at) == (Outcome.DEAD, None)
    assert says in last.error
    [letter] = store.list_deliveries(dead=True)
    assert (letter.attempts, letter.dead_at, letter.last_error) == (9, clock.now(), last.error)
    assert len(receiver.seen) == 9
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    assert len({seen.body for seen in receiver.seen}) == 1
    assert len({seen.headers["webhook-timestamp"] for seen in receiver.seen}) == 9


def test_a_dead_letter_that_was_revived_is_sent(
    receiver: WebhookReceiver, clock: FakeClock
) -> None:
    receiver.behaviour = answer(410)
    store = FakeDeliveryStore([make_completed(receiver.url)])
    [gone] = deliver_due(store, make_sender().send, clock)
    assert gone.outcome is Outcome.DEAD
    assert "410" in gone.error

    receiver.behaviour = answer(200)
    assert store.revive(gone.delivery_id, clock.advance(60))

    assert [each.outcome for each in deliver_due(store, make_sender().send, clock)] == [
        Outcome.DELIVERED
    ]
    assert store.list_deliveries(dead=True) == []


def test_a_receiver_that_comes_back_gets_it(receiver: WebhookReceiver, clock: FakeClock) -> None:
    receiver.behaviour = answer(503, retry_after="60")
    store = FakeDeliveryStore([make_completed(receiver.url)])

    [first] = deliver_due(store, make_sender().send, clock)
    assert first.next_attempt_at == START + timedelta(seconds=60)

    receiver.behaviour = answer(202)
    clock.advance(60)
    [second] = deliver_due(store, make_sender().send, clock)
    assert second.outcome is Outcome.DELIVERED
    [row] = store.list_deliveries()
    assert (row.attempts, row.last_error) == (2, "")


@pytest.mark.parametrize(
    ("status", "header", "failures", "seconds"),
    [
        (429, "60", 1, 60),
        (503, "60", 1, 60),
        (500, "60", 1, 5),
        (429, "", 1, 5),
        (429, "0", 1, 5),
        (429, "60", 3, 120),
        (429, "999999999", 1, 3600),
        (429, "9" * 5000, 1, 5),
        (429, "-1", 1, 5),
        (429, "soon", 1, 5),
        (429, "²", 1, 5),
        (429, "Sat, 31 Jan 2026 12:10:00 GMT", 1, 600),
        (429, "Sun, 31 Jan 2027 12:10:00 GMT", 1, 3600),
        (429, "Fri, 30 Jan 2026 12:10:00 GMT", 1, 5),
        (0, "60", 2, 30),
        (429, "60", 8, 36_000),
    ],
)
def test_retry_after_makes_a_delay_longer_and_never_shorter(
    status: int, header: str, failures: int, seconds: int
) -> None:
    planned = plan_retry(failures, Answer(status, header), START)
    assert planned == START + timedelta(seconds=seconds)


@given(st.text(), st.integers(1, 9))
def test_no_header_leads_out_of_the_bounds(header: str, failures: int) -> None:
    planned = plan_retry(failures, Answer(429, header), START)
    if failures == 9:
        assert planned is None
    else:
        assert planned is not None
        longest = max(RETRY_DELAYS_SECONDS[failures - 1], 3600)
        assert timedelta(seconds=5) <= planned - START <= timedelta(seconds=longest)


def test_an_address_that_may_not_be_reached_is_a_failure(clock: FakeClock) -> None:
    store = FakeDeliveryStore([make_completed("http://10.0.0.1/"), make_completed("nonsense", "2")])

    attempts = deliver_due(store, make_sender().send, clock)

    assert {each.outcome for each in attempts} == {Outcome.WAITING}
    assert {each.host for each in attempts} == {"10.0.0.1", ""}
    assert {each.next_attempt_at for each in attempts} == {START + timedelta(seconds=5)}


def test_one_failure_keeps_no_other_from_being_sent(
    receiver: WebhookReceiver, clock: FakeClock
) -> None:
    bad = [make_completed("http://10.0.0.1/", f"bad {number}") for number in range(3)]
    good = [make_completed(receiver.url, f"good {number}") for number in range(3)]
    store = FakeDeliveryStore([*bad, *good])

    attempts = deliver_due(store, make_sender().send, clock)

    assert sorted(each.outcome for each in attempts) == ["delivered"] * 3 + ["waiting"] * 3
    assert len(receiver.seen) == 3


def test_a_call_ends_after_its_limit(receiver: WebhookReceiver, clock: FakeClock) -> None:
    store = FakeDeliveryStore(make_completed(receiver.url, f"job {n}") for n in range(5))
    counts = [len(deliver_due(store, make_sender().send, clock, limit=2)) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


class StoreOfAKilledProcess(FakeDeliveryStore):
    """Ends the sender where it is about to record."""

    def record_delivered(self, delivery_id: str, at: datetime) -> None:
        raise KeyboardInterrupt


def test_a_sender_killed_before_it_recorded_sends_again_with_the_same_id(
    receiver: WebhookReceiver, clock: FakeClock
) -> None:
    delivery = make_completed(receiver.url)
    killed = StoreOfAKilledProcess([delivery])
    with pytest.raises(KeyboardInterrupt):
        deliver_due(killed, make_sender().send, clock)
    left = FakeDeliveryStore(killed.list_deliveries())

    assert deliver_due(left, make_sender().send, clock) == []
    clock.advance(CLAIM_SECONDS)
    [attempt] = deliver_due(left, make_sender().send, clock)

    assert attempt.outcome is Outcome.DELIVERED
    assert [seen.headers["webhook-id"] for seen in receiver.seen] == [delivery.delivery_id] * 2
    assert receiver.seen[0].body == receiver.seen[1].body


def test_a_sender_killed_while_it_sent_sends_again(
    receiver: WebhookReceiver, clock: FakeClock
) -> None:
    store = FakeDeliveryStore([make_completed(receiver.url)])

    def die(_delivery: Delivery, _at: datetime) -> Answer:
        raise SystemExit

    with pytest.raises(SystemExit):
        deliver_due(store, die, clock)
    clock.advance(CLAIM_SECONDS)

    [attempt] = deliver_due(store, make_sender().send, clock)
    assert attempt.outcome is Outcome.DELIVERED
    assert store.list_deliveries()[0].attempts == 1


def test_many_senders_send_each_delivery_once(receiver: WebhookReceiver, clock: FakeClock) -> None:
    deliveries = [make_completed(receiver.url, f"job {number}") for number in range(24)]
    store = FakeDeliveryStore(deliveries)
    sender = make_sender()
    start = threading.Barrier(4)

    def work(_number: int) -> int:
        start.wait(timeout=30)
        return len(deliver_due(store, sender.send, clock))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 24

    sent = sorted(seen.headers["webhook-id"] for seen in receiver.seen)
    assert sent == sorted(delivery.delivery_id for delivery in deliveries)


def test_the_log_names_hosts_and_no_secrets(
    receiver: WebhookReceiver, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    receiver.behaviour = answer(500)
    url = f"http://127.0.0.1:{receiver.port}/services/sesame?key=sesame"
    delivery = make_completed(url)
    store = FakeDeliveryStore([delivery])
    deliver_due(store, make_sender().send, clock)
    receiver.behaviour = answer(200)
    clock.advance(5)
    deliver_due(store, make_sender().send, clock)
    store.add_delivery(replace(make_completed(url, "job 2"), attempts=8))
    receiver.behaviour = answer(500)
    deliver_due(store, make_sender().send, clock)

    ours = [record for record in caplog.records if record.name.startswith("ingestion_pipeline")]
    assert [record.levelname for record in ours] == ["WARNING", "INFO", "ERROR"]
    assert all("127.0.0.1" in record.getMessage() for record in ours)
    assert delivery.delivery_id in ours[0].getMessage()
    assert "sesame" not in caplog.text


# -- events


def test_an_event_has_one_id_for_ever() -> None:
    first = make_delivery("job 1", "sync.failed", "https://a.example/", {}, START)
    again = make_delivery(
        "job 1", "sync.failed", "https://b.example/", {"n": 1}, START + timedelta(hours=1)
    )
    assert first.delivery_id == again.delivery_id == "msg_8de57e19728f5eaf8d916d2e935ac710"


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_different_events_have_different_ids(one: tuple[str, str], other: tuple[str, str]) -> None:
    ids = [make_delivery(job, event, "", {}, START).delivery_id for job, event in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)
    assert all(each.isascii() and "." not in each for each in ids)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, START])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        make_delivery("job", "sync.failed", "https://a.example/", {"value": value}, START)
