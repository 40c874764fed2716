"""``POST /api/v1/webhooks/github``: a push brings its repository to the front."""

import asyncio
import logging

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.freshness.webhook import (
    MalformedWebhookError,
    read_push,
    verify_signature,
)

_logger = logging.getLogger(__name__)

# https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
MAX_BODY_BYTES = 25 * 1024 * 1024
BODY_TIMEOUT_SECONDS = 30.0


class BodyTooLargeError(Exception):
    """More than GitHub ever sends."""


def make_webhook_router(services: Services) -> APIRouter:
    """Return the route; nothing of a body is looked at before its signature is verified."""
    router = APIRouter()
    setting = services.settings.github_webhook_secret
    secret = setting.get_secret_value() if setting else ""

    @router.post("/api/v1/webhooks/github")
    async def receive_github_webhook(request: Request) -> JSONResponse:
        """Note that a repository changed, so that the sensor's next tick asks about it first."""
        if not secret:
            return _answer(503, "Webhooks are off: INGESTION_GITHUB_WEBHOOK_SECRET is not set.")
        try:
            body = await _read_body(request)
        except BodyTooLargeError:
            return _answer(413, "A payload of GitHub's has 25 MB at most.")
        except TimeoutError:
            return _answer(408, "The payload did not arrive in time.")
        except ClientDisconnect:
            return _answer(400, "The payload ended early.")
        if not verify_signature(secret, body, request.headers.get("X-Hub-Signature-256")):
            return _answer(401, "The signature is missing or wrong.")
        return await run_in_threadpool(_accept, services, request, body)

    return router


def _accept(services: Services, request: Request, body: bytes) -> JSONResponse:
    event = request.headers.get("X-GitHub-Event", "")
    try:
        source = read_push(event, body, request.headers.get("Content-Type", ""))
    except MalformedWebhookError as error:
        return _answer(400, str(error))
    if event == "ping":
        return _answer(200, "pong")
    if source is None:
        return _answer(200, "Ignored: this event tells of no change.")
    if not _is_tracked(services, source):
        return _answer(200, "Ignored: this repository is not tracked.")
    services.state.bump_source(source, services.clock.now())
    _logger.info("GitHub says that %s changed (%s)", source, event)
    return _answer(202, "The next check asks about this repository first.")


def _is_tracked(services: Services, source: SourceId) -> bool:
    row = services.state.find_source(source)
    return row is not None and row.untracked_at is None


async def _read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: It is over the cap, or says so.
        TimeoutError: It arrives too slowly.
    """
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    chunks = bytearray()
    async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
        async for chunk in request.stream():
            chunks += chunk
            if len(chunks) > MAX_BODY_BYTES:
                raise BodyTooLargeError
    return bytes(chunks)


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
