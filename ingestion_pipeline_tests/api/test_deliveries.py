"""Webhooks that were sent, over real HTTP."""

import httpx

from ingestion_pipeline_tests.orchestration.world import World
from ingestion_pipeline_tests.state.samples import NOON, make_waiting

PATH = "/api/v1/webhooks/deliveries"


def test_webhooks_are_listed_without_their_secrets(client: httpx.Client, world: World) -> None:
    store = world.state.deliveries
    for number in (1, 2, 3):
        store.add_delivery(make_waiting(f"msg_{number}", number))
    store.record_delivered("msg_1", NOON)
    store.record_failure("msg_2", NOON, "It answered 500.", None)
    answer = client.get(PATH)
    assert [(row["delivery_id"], row["status"]) for row in answer.json()["deliveries"]] == [
        ("msg_3", "pending"),
        ("msg_2", "dead"),
        ("msg_1", "delivered"),
    ]
    assert "key=" not in answer.text
    [dead] = client.get(PATH, params={"dead": "true"}).json()["deliveries"]
    assert (dead["host"], dead["last_error"]) == ("example.com", "It answered 500.")
    assert len(client.get(PATH, params={"limit": 1}).json()["deliveries"]) == 1
    assert client.get(PATH, params={"limit": 0}).status_code == 422


def test_a_dead_letter_is_sent_once_more(client: httpx.Client, world: World) -> None:
    store = world.state.deliveries
    store.add_delivery(make_waiting())
    store.record_failure("msg_1", NOON, "It answered 500.", None)
    assert client.post(f"{PATH}/msg_1/retry").status_code == 202
    [row] = store.list_deliveries()
    assert (row.next_attempt_at, row.dead_at) == (world.clock.now(), None)
    for unknown in ("msg_1", "msg_2", "a%00"):
        assert client.post(f"{PATH}/{unknown}/retry").status_code == 404
