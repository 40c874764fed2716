"""What errors look like to callers: RFC 9457 problem documents, ``detail`` as clients expect it."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from ingestion_pipeline.api.options import InvalidOptionError
from ingestion_pipeline.core.errors import (
    AuthenticationError,
    BranchNotFoundError,
    EncoderMismatchError,
    EncoderWeightsError,
    HostNotAllowedError,
    IngestionError,
    InvalidQueryError,
    InvalidRepositoryNameError,
    RepositoryNotTrackedError,
    RepositoryUnavailableError,
    TransientError,
    WebhookUrlError,
)
from ingestion_pipeline.core.jobs import IdempotencyConflictError, QueueFullError
from ingestion_pipeline.orchestration.worker_status import QueueUnavailableError

_logger = logging.getLogger(__name__)

_MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = "10"
_NO_JSON = "Send JSON, with the header Content-Type: application/json"
_METHODS = ("GET", "POST", "DELETE")
_STATUSES: dict[type[IngestionError], int] = {
    IdempotencyConflictError: 422,
    WebhookUrlError: 422,
    InvalidRepositoryNameError: 400,
    HostNotAllowedError: 400,
    InvalidQueryError: 400,
    BranchNotFoundError: 422,
    AuthenticationError: 503,
    EncoderWeightsError: 503,
    EncoderMismatchError: 503,
    RepositoryNotTrackedError: 404,
    RepositoryUnavailableError: 404,
}


def make_problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JSONResponse:
    """Return a problem document; further members stand beside ``detail``."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    return JSONResponse(body, status, headers, media_type=_MEDIA_TYPE)


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457); some have further members."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


def document_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {_MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(statuses)
    }


def document_reading(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these statuses, and of those of any route that reads."""
    return document_problems(401, 403, *statuses)


def document_change(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these statuses, and of those of any route that has a body."""
    return document_problems(401, 403, 408, 413, *statuses)


def explain_field(field: str, message: str) -> JSONResponse:
    """Return the 422 that names one field."""
    errors = [{"field": field, "message": message}]
    return make_problem(422, f"{field}: {message}", errors=errors)


def _complete_headers(app: FastAPI, path: str, error: HTTPException) -> Mapping[str, str]:
    headers = error.headers or {}
    if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return headers
    # Starlette names the methods of the path's first route alone.
    return {**headers, "Allow": ", ".join(m for m in _METHODS if _takes(app, path, m))}


def _takes(app: FastAPI, path: str, method: str) -> bool:
    scope = {"type": "http", "path": path, "root_path": "", "headers": [], "method": method}
    return any(route.matches(dict(scope))[0] is Match.FULL for route in app.routes)


def _name_field(location: Sequence[str | int]) -> str:
    """Return what a field is called; ``body`` where all of it is wrong."""
    whole, *within = location
    # Where JSON cannot be read, what follows is a place in its text.
    names = [part for part in within if isinstance(part, str)]
    return ".".join(str(part) for part in within) if names else str(whole)


def _explain_invalid(item: Mapping[str, Any]) -> str:
    is_no_json = tuple(item["loc"]) == ("body",) and isinstance(item.get("input"), bytes)
    return _NO_JSON if is_no_json else item["msg"]


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of ours, and of FastAPI's, a problem document."""
    _add_queue_handlers(app)

    @app.exception_handler(StarletteHTTPException)
    async def explain_http(request: Request, error: HTTPException) -> JSONResponse:
        headers = _complete_headers(app, request.url.path, error)
        return make_problem(error.status_code, str(error.detail), headers=headers)

    @app.exception_handler(RequestValidationError)
    async def explain_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"field": _name_field(item["loc"]), "message": _explain_invalid(item)}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
        return make_problem(422, detail, errors=errors)

    @app.exception_handler(InvalidOptionError)
    async def explain_option(_request: Request, error: InvalidOptionError) -> JSONResponse:
        return explain_field(error.field, str(error))

    @app.exception_handler(IngestionError)
    async def explain_ours(request: Request, error: IngestionError) -> JSONResponse:
        for kind, status in _STATUSES.items():
            if isinstance(error, kind):
                return make_problem(status, str(error))
        return await explain_unforeseen(request, error)

    @app.exception_handler(Exception)
    async def explain_unforeseen(_request: Request, error: Exception) -> JSONResponse:
        # What the caller can do nothing about may name paths and hosts.
        _logger.error("A request could not be answered", exc_info=error)
        return make_problem(500, "The server could not answer this. Its log says why.")

    @app.exception_handler(TransientError)
    async def explain_transient(_request: Request, error: TransientError) -> JSONResponse:
        # The message names hosts and databases, which are nobody's business outside.
        _logger.warning("A request could not be answered: %s", error)
        detail = "What this needs does not answer just now. Try again; the server's log names it."
        return make_problem(503, detail, headers={"Retry-After": _RETRY_SECONDS})


def _add_queue_handlers(app: FastAPI) -> None:
    @app.exception_handler(QueueFullError)
    async def explain_full(_request: Request, error: QueueFullError) -> JSONResponse:
        return make_problem(
            429,
            str(error),
            headers={"Retry-After": _RETRY_SECONDS},
            queue_size=error.queue_size,
            max_queue_size=error.max_queue_size,
        )

    @app.exception_handler(QueueUnavailableError)
    async def explain_unavailable(_request: Request, error: QueueUnavailableError) -> JSONResponse:
        _logger.warning("%s", error, exc_info=error)
        detail = f"Queue unavailable: {error}"
        return make_problem(503, detail, headers={"Retry-After": _RETRY_SECONDS})
