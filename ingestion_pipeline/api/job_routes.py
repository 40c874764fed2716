"""Routes of jobs: submit, look, watch, end."""

import asyncio
import time
from collections.abc import AsyncIterator
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
_KEEPALIVE_SECONDS = 15.0

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
    watch = JobWatch(door)

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
    def read_job(
        job_id: str, if_none_match: Annotated[str, Header(description="An `ETag`.")] = ""
    ) -> Response:
        """Return one job, with an ``ETag``."""
        view = door.show(door.find(job_id))
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
        view = await watch.look(job_id)
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
    """What is seen of jobs, looked up once however many watch the same one.

    Args:
        door: Looks.
    """

    def __init__(self, door: JobDoor) -> None:
        self._door = door
        self._seen: dict[str, tuple[float, asyncio.Task[JobView]]] = {}

    async def look(self, job_id: str) -> JobView:
        """Return the job as it was less than a poll ago.

        Raises:
            HTTPException: 404, there is none.
        """
        now = time.monotonic()
        self._seen = {k: v for k, v in self._seen.items() if now - v[0] < POLL_SECONDS}
        if job_id not in self._seen:
            task = asyncio.ensure_future(run_in_threadpool(self._read, job_id))
            self._seen[job_id] = (now, task)
        # Shielded, because one who goes away must not end what others wait for.
        return await asyncio.shield(self._seen[job_id][1])

    def _read(self, job_id: str) -> JobView:
        return self._door.show(self._door.find(job_id))


async def stream_events(watch: JobWatch, job_id: str, seen: str) -> AsyncIterator[bytes]:
    """Yield an event for everything that changes, the end last.

    Args:
        watch: Looks.
        job_id: Which job.
        seen: Id of the event that the client saw last, "" for none.
    """
    said_at = time.monotonic()
    while True:
        view = await watch.look(job_id)
        tag, has_ended = make_tag(view), view.ended_at is not None
        if tag != seen:
            event = "end" if has_ended else "progress"
            yield format_sse_event(data_str=view.model_dump_json(), event=event, id=tag)
            seen, said_at = tag, time.monotonic()
        elif time.monotonic() - said_at > _KEEPALIVE_SECONDS:
            yield format_sse_event(comment="still here")
            said_at = time.monotonic()
        if has_ended:
            return
        await asyncio.sleep(POLL_SECONDS)
