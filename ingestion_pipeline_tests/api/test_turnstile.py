"""Slow requests do not take every thread."""

import threading
from collections.abc import Iterator

import dagster as dg
import httpx
import pytest

from ingestion_pipeline.api.turnstile import SLOW_AT_ONCE, BusyError, Turnstile
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.orchestration.world import KEY, World


def test_so_many_pass_at_a_time() -> None:
    turnstile = Turnstile(1)
    with turnstile.passing(), pytest.raises(BusyError), turnstile.passing():
        pass
    with turnstile.passing():
        pass


class SlowStore(FakePointStore):
    """Answers no search before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_let = threading.Event()
        self.asked = threading.Semaphore(0)

    def find_alias(self, alias: str) -> str | None:
        self.asked.release()
        assert self.is_let.wait(60)
        return super().find_alias(alias)


@pytest.fixture
def slow(world: World) -> Iterator[SlowStore]:
    store = SlowStore()
    world.services.store = store
    yield store
    store.is_let.set()


def test_searches_that_wait_hold_up_nobody_who_looks(
    client: httpx.Client, slow: SlowStore, instance: dg.DagsterInstance
) -> None:
    answers: list[int] = []

    def search() -> None:
        answers.append(client.get("/api/v1/search", params={"q": "purr"}).status_code)

    threads = [threading.Thread(target=search) for _ in range(SLOW_AT_ONCE)]
    for thread in threads:
        thread.start()
        assert slow.asked.acquire(timeout=60)
    refused = client.get("/api/v1/search", params={"q": "purr"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert client.get("/", params={"q": "purr"}).status_code == 503
    assert client.post(f"/api/repositories/{KEY}/sync").status_code == 202
    slow.is_let.set()
    for thread in threads:
        thread.join(timeout=60)
    assert answers == [200] * SLOW_AT_ONCE
