"""One look at a job serves all who ask for it meanwhile, and nobody gets an older one."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from ingestion_pipeline.api import job_routes
from ingestion_pipeline.api.job_routes import JobWatch, stream_events
from ingestion_pipeline.api.views import JobView, make_view
from ingestion_pipeline_tests.api.test_views import JOB, LATER

_SECONDS = 30


class Looks:
    """Looks that tell their number, one by one as they are let go.

    Args:
        error: Raised by the first one.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self._error = error
        self._begun = threading.Semaphore(0)
        self._let_go = threading.Semaphore(0)

    def look(self, job_id: str) -> JobView:
        self.count += 1
        number = self.count
        self._begun.release()
        assert self._let_go.acquire(timeout=_SECONDS)
        if number == 1 and self._error is not None:
            raise self._error
        return make_view(replace(JOB, job_id=f"{job_id} {number}"), None, [], LATER)

    async def wait_until_begun(self) -> None:
        assert await asyncio.to_thread(self._begun.acquire, timeout=_SECONDS)

    def let_go(self, count: int = 1) -> None:
        self._let_go.release(count)


def follow(story: Callable[[JobWatch], Coroutine[Any, Any, None]], looks: Looks) -> None:
    """Tell a story, in which nothing may be complained about."""
    complaints: list[dict[str, Any]] = []

    async def tell() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await story(JobWatch(looks.look))

    asyncio.run(tell())
    gc.collect()
    assert complaints == []


async def ask(watch: JobWatch, *job_ids: str) -> list[asyncio.Task[JobView]]:
    """Ask all at once, and return as soon as the questions stand."""
    tasks = [asyncio.create_task(watch.look(job_id)) for job_id in job_ids]
    await asyncio.sleep(0)
    return tasks


async def read_number(task: asyncio.Task[JobView]) -> str:
    return (await task).job_id


def test_who_asks_during_a_look_shares_the_next_one() -> None:
    looks = Looks()

    async def story(watch: JobWatch) -> None:
        [first] = await ask(watch, "job")
        await looks.wait_until_begun()
        others = await ask(watch, *["job"] * 20)
        looks.let_go(2)
        assert await read_number(first) == "job 1"
        assert {await read_number(other) for other in others} == {"job 2"}

    follow(story, looks)
    assert looks.count == 2


def test_jobs_are_looked_at_side_by_side() -> None:
    looks = Looks()

    async def story(watch: JobWatch) -> None:
        tasks = await ask(watch, "one", "other")
        await looks.wait_until_begun()
        await looks.wait_until_begun()
        looks.let_go(2)
        assert {(await task).job_id.split()[0] for task in tasks} == {"one", "other"}

    follow(story, looks)


def test_who_can_do_with_a_recent_look_starts_none() -> None:
    looks = Looks()
    looks.let_go(2)

    async def story(watch: JobWatch) -> None:
        seen = [await watch.look("job"), await watch.look("job", 60), await watch.look("job")]
        assert [view.job_id for view in seen] == ["job 1", "job 1", "job 2"]

    follow(story, looks)


def test_an_error_reaches_all_who_wait_and_nobody_after_them() -> None:
    looks = Looks(LookupError("No such job."))

    async def story(watch: JobWatch) -> None:
        tasks = await ask(watch, *["job"] * 3)
        looks.let_go(2)
        for task in tasks:
            with pytest.raises(LookupError):
                await task
        assert (await watch.look("job")).job_id == "job 2"

    follow(story, looks)


def test_one_who_goes_away_takes_nobodys_answer_along() -> None:
    looks = Looks()

    async def story(watch: JobWatch) -> None:
        leaves, stays = await ask(watch, "job", "job")
        leaves.cancel()
        looks.let_go()
        assert await read_number(stays) == "job 1"

    follow(story, looks)


def test_nobody_complains_of_an_error_that_nobody_waited_for() -> None:
    looks = Looks(LookupError("No such job."))

    async def story(watch: JobWatch) -> None:
        [leaves] = await ask(watch, "job")
        await looks.wait_until_begun()
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        looks.let_go(2)
        assert (await watch.look("job")).job_id == "job 2"

    follow(story, looks)


def test_a_look_that_hangs_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_routes, "_PATIENCE_SECONDS", 0.001)
    looks = Looks()

    async def story(watch: JobWatch) -> None:
        [hangs] = await ask(watch, "job")
        await looks.wait_until_begun()
        [later] = await ask(watch, "job")
        await looks.wait_until_begun()
        looks.let_go(2)
        assert {await read_number(hangs), await read_number(later)} == {"job 1", "job 2"}

    follow(story, looks)


def test_what_was_said_is_said_again_while_a_look_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_routes, "_REPEAT_SECONDS", 0.001)
    monkeypatch.setattr(job_routes, "POLL_SECONDS", 0.0)
    looks = Looks()

    async def story(watch: JobWatch) -> None:
        events = stream_events(watch, "job", "")
        assert await anext(events) == b": still here\n\n"
        looks.let_go()
        first = await take_until(events, b"job 1")
        assert first.startswith(b"event: progress")
        assert await anext(events) == first
        looks.let_go()
        assert b"job 1" not in await take_until(events, b"job 2")
        await events.aclose()
        looks.let_go(2)

    follow(story, looks)


async def take_until(events: AsyncIterator[bytes], part: bytes) -> bytes:
    """Return the first event that says something."""
    async for event in events:
        if part in event:
            return event
    raise AssertionError("The stream ended.")
