"""``POST /api/v1/webhooks/github``: a push brings its repository to the front."""

import asyncio
import logging
from contextlib import nullcontext
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from ingestion_pipeline.api.bodies import BodyTooLargeError, read_body
from ingestion_pipeline.api.problems import document_problems, make_problem
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
# Most payloads are some kilobytes. Large ones are held whole before anybody has verified them.
_SMALL_BYTES = 1024 * 1024
_MOST_LARGE_BODIES = 4
_MOST_ID_CHARS = 100
_DELIVERY: dict[str, Any] = {
    "security": [{"signature": []}],
    "parameters": [
        {"name": "X-GitHub-Event", "in": "header", "schema": {"type": "string"}},
        {"name": "X-GitHub-Delivery", "in": "header", "schema": {"type": "string"}},
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {"push": {"value": {"repository": {"id": 596892}}}},
            },
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {"payload": {"type": "string", "description": "The JSON."}},
                    "required": ["payload"],
                },
                "examples": {"push": {"value": {"payload": '{"repository": {"id": 596892}}'}}},
            },
        },
    },
}


class Receipt(BaseModel):
    """What became of a delivery."""

    detail: str


def make_webhook_router(services: Services) -> APIRouter:
    """Return the route; nothing of a body is looked at before its signature is verified."""
    router = APIRouter(tags=["webhooks"])
    setting = services.settings.github_webhook_secret
    secret = setting.get_secret_value() if setting else ""
    large_bodies = asyncio.Semaphore(_MOST_LARGE_BODIES)

    @router.post(
        "/api/v1/webhooks/github",
        response_model=Receipt,
        responses={**document_problems(400, 401, 408, 413, 503), 202: {"model": Receipt}},
        openapi_extra=_DELIVERY,
    )
    async def receive_github_webhook(request: Request) -> JSONResponse:
        """Note that a repository changed, so that the sensor's next tick asks about it first."""
        if not secret:
            return make_problem(
                503, "Webhooks are off: INGESTION_GITHUB_WEBHOOK_SECRET is not set."
            )
        try:
            async with nullcontext() if _is_small(request) else large_bodies:
                body = await read_body(request, MAX_BODY_BYTES, BODY_TIMEOUT_SECONDS)
        except BodyTooLargeError:
            return make_problem(413, "A payload of GitHub's has 25 MB at most.")
        except TimeoutError:
            return make_problem(408, "The payload did not arrive in time.")
        except ClientDisconnect:
            return make_problem(400, "The payload ended early.")
        if not verify_signature(secret, body, request.headers.get("X-Hub-Signature-256")):
            return make_problem(401, "The signature is missing or wrong.")
        return await run_in_threadpool(_accept, services, request, body)

    return router


def _accept(services: Services, request: Request, body: bytes) -> JSONResponse:
    event = request.headers.get("X-GitHub-Event", "")
    try:
        source = read_push(event, body, request.headers.get("Content-Type", ""))
    except MalformedWebhookError as error:
        return make_problem(400, str(error))
    if event == "ping":
        return _answer(200, "pong")
    if source is None:
        return _answer(200, "Ignored: this event tells of no change.")
    if not _is_tracked(services, source):
        return _answer(200, "Ignored: this repository is not tracked.")
    delivery_id = request.headers.get("X-GitHub-Delivery", "")[:_MOST_ID_CHARS]
    is_new = services.state.bump_source(source, services.clock.now(), delivery_id=delivery_id)
    if not is_new:
        return _answer(200, "Ignored: this delivery was received before.")
    _logger.info("GitHub says that %s changed (%s)", source, event)
    return _answer(202, "The next check asks about this repository first.")


def _is_tracked(services: Services, source: SourceId) -> bool:
    row = services.state.find_source(source)
    return row is not None and row.untracked_at is None


def _is_small(request: Request) -> bool:
    announced = request.headers.get("Content-Length", "")
    return announced.isdecimal() and int(announced) <= _SMALL_BYTES


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse(Receipt(detail=detail).model_dump(), status)
