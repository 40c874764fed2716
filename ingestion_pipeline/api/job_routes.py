"""Routes of jobs: submit, look, watch, end."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Body, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import format_sse_event

from ingestion_pipeline.api.jobs import JobDoor
from ingestion_pipeline.api.options import SyncRequest
from ingestion_pipeline.api.problems import document_change, document_reading
from ingestion_pipeline.api.views import JobView, make_etag, make_tag, matches_etag

# With the interval at which runs write their progress less than a second, also for who follows it.
POLL_SECONDS = 0.3
# A run in a long call into C says nothing; who follows it hears that it runs all the same.
_REPEAT_SECONDS = 0.6
_KEEPALIVE_SECONDS = 15.0
_STILL_HERE = format_sse_event(comment="still here")
# How long a look waits for the one before it, which may hang.
_PATIENCE_SECONDS = 1.0

# OpenAPI 3.1 has no word for the items of a stream; this is one of them.
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["progress", "end"]},
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobView"},
        },
    },
}

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        pattern=r"^[\x20-\x7e]*$",
        description="The same request with the same key is one job, however often it is sent.",
    ),
]


def name_requester(request: Request) -> str:
    """Return who asks, in words that a run's tags show."""
    try:
        # What a proxy says of it may be anything.
        client = ip_address(request.client.host if request.client else "")
    except ValueError:
        return "the HTTP API"
    return f"the HTTP API ({client})"


def make_job_router(door: JobDoor) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["jobs"])
    watch = JobWatch(lambda job_id: door.show(door.find(job_id)))

    @router.post(
        "/api/repositories/{repo_id:path}/sync",
        status_code=202,
        responses=document_change(400, 404, 409, 422, 429, 503),
    )
    def sync_repository(
        repo_id: str,
        request: Request,
        asked: Annotated[SyncRequest | None, Body()] = None,
        idempotency_key: IdempotencyKey = "",
    ) -> JobView:
        """Queue a sync of one tracked repository: ``owner/name``, or the host's number."""
        row = door.find_repository(repo_id)
        who = name_requester(request)
        accepted = door.submit(row, asked or SyncRequest(), who, idempotency_key)
        return door.show(accepted.job)

    @router.get(
        "/api/v1/jobs/{job_id}",
        response_model=JobView,
        responses={**document_reading(404, 503), 304: {"description": "As the ``ETag`` says."}},
    )
    async def read_job(
        job_id: str, if_none_match: Annotated[str, Header(description="An `ETag`.")] = ""
    ) -> Response:
        """Return one job, with an ``ETag``."""
        view = await watch.look(job_id)
        headers = {"ETag": make_etag(view), "Cache-Control": "no-cache"}
        if matches_etag(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return JSONResponse(view.model_dump(mode="json"), headers=headers)

    @router.get(
        "/api/v1/jobs/{job_id}/events",
        response_class=StreamingResponse,
        responses={
            **document_reading(404, 503),
            200: {
                "description": "Server-sent events: `progress` with the job, at last `end`.",
                "content": {"text/event-stream": {"schema": _EVENT}},
            },
            204: {"description": "The end was told before, as ``Last-Event-ID`` says."},
        },
    )
    async def stream_job(
        job_id: str, last_event_id: Annotated[str, Header(description="The last one seen.")] = ""
    ) -> Response:
        """Stream a job as server-sent events until it has ended."""
        view = await watch.look(job_id, POLL_SECONDS)
        if view.ended_at is not None and make_tag(view) == last_event_id:
            return Response(status_code=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        events = stream_events(watch, job_id, last_event_id)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    @router.post(
        "/api/v1/jobs/{job_id}/cancel", status_code=202, responses=document_change(404, 409, 503)
    )
    def cancel_job(job_id: str) -> JobView:
        """End a queued or running job, between two batches."""
        return door.show(door.cancel(job_id))

    return router


class JobWatch:
    """What is seen of jobs, looked up once for all who ask for the same one meanwhile.

    Args:
        read: Looks a job up, in a thread.
    """

    def __init__(self, read: Callable[[str], JobView]) -> None:
        self._read = read
        self._begun: dict[str, tuple[float, asyncio.Task[JobView]]] = {}
        self._next: dict[str, asyncio.Task[JobView]] = {}

    async def look(self, job_id: str, most_seconds_ago: float = 0.0) -> JobView:
        """Return the job as it is.

        Args:
            job_id: Which job.
            most_seconds_ago: How long before this call the look may have begun.

        Raises:
            Exception: What reading raises, to all who wait for it.
        """
        begun_at, look = self._begun.get(job_id, (-math.inf, None))
        if look is None or time.monotonic() - begun_at >= most_seconds_ago:
            look = self._next.get(job_id) or self._prepare(job_id)
        # Shielded, because one who goes away must not end what others wait for.
        return await asyncio.shield(look)

    def _prepare(self, job_id: str) -> asyncio.Task[JobView]:
        look = asyncio.create_task(self._look_after_the_last(job_id))
        self._next[job_id] = look
        look.add_done_callback(lambda done: self._end(job_id, done))
        return look

    async def _look_after_the_last(self, job_id: str) -> JobView:
        _, last = self._begun.get(job_id, (0.0, None))
        if last is not None and not last.done():
            await asyncio.wait([last], timeout=_PATIENCE_SECONDS)
        self._begun[job_id] = (time.monotonic(), self._next.pop(job_id))
        return await run_in_threadpool(self._read, job_id)

    def _end(self, job_id: str, look: asyncio.Task[JobView]) -> None:
        if not look.cancelled():
            look.exception()  # all who waited may have gone away
        if self._next.get(job_id) is look:
            del self._next[job_id]
        asyncio.get_running_loop().call_later(POLL_SECONDS, self._forget, job_id, look)

    def _forget(self, job_id: str, look: asyncio.Task[JobView]) -> None:
        if job_id in self._begun and self._begun[job_id][1] is look:
            del self._begun[job_id]


async def stream_events(watch: JobWatch, job_id: str, seen: str) -> AsyncGenerator[bytes, None]:
    """Yield an event for everything that changes, of a running job also when nothing does; an end.

    Args:
        watch: Looks.
        job_id: Which job.
        seen: Id of the event that the client saw last, "" for none.
    """
    said_at, again = time.monotonic(), _STILL_HERE
    while True:
        look = asyncio.create_task(watch.look(job_id, POLL_SECONDS))
        try:
            while not (await asyncio.wait([look], timeout=_REPEAT_SECONDS))[0]:
                yield again
        finally:
            look.cancel()
        view = look.result()
        tag, has_ended = make_tag(view), view.ended_at is not None
        silent_seconds = time.monotonic() - said_at
        is_running = view.started_at is not None
        if tag != seen or (is_running and silent_seconds >= _REPEAT_SECONDS):
            event = "end" if has_ended else "progress"
            told = format_sse_event(data_str=view.model_dump_json(), event=event, id=tag)
            yield told
            seen, said_at = tag, time.monotonic()
            again = told if is_running else _STILL_HERE
        elif silent_seconds > _KEEPALIVE_SECONDS:
            yield _STILL_HERE
            said_at = time.monotonic()
        if has_ended:
            return
        await asyncio.sleep(POLL_SECONDS)
