"""The HTTP side of the fake GitHub: routes, authentication, rate limits, faults, ETags."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ingestion_pipeline_tests.servers import github_graphql
from ingestion_pipeline_tests.servers import github_rest_bodies as bodies
from ingestion_pipeline_tests.servers.github_state import FakeRepository, Fault, GitHubState

HANGING = 0


@dataclass(frozen=True)
class Reply:
    """An answer before the rate limit headers."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Caller:
    """Who asks: the bucket that pays, and whether private repositories are shown."""

    bucket: str
    has_token: bool


class GitHubApp:
    """Builds the ASGI application over a state.

    Args:
        state: Shared with the steering thread.
        enterprise: Serve below ``/api/v3`` and ``/api/graphql`` as Enterprise servers do.
        clone_url_base: ``clone_url`` is this, a slash, ``owner/name`` and ``.git``.
    """

    def __init__(self, state: GitHubState, *, enterprise: bool, clone_url_base: str) -> None:
        self.state = state
        self._prefix = "/api/v3" if enterprise else ""
        self._clone_url_base = clone_url_base
        self.released = asyncio.Event()
        rest = [
            Route("/repos/{owner}/{name}", self._get_repository),
            Route("/repos/{owner}/{name}/branches/{branch:path}", self._get_branch),
            Route("/repositories/{number:int}", self._get_repository),
            Route("/repositories/{number:int}/branches/{branch:path}", self._get_branch),
            Route("/rate_limit", self._get_rate_limit),
        ]
        graphql = Route("/api/graphql" if enterprise else "/graphql", self._post, methods=["POST"])
        routes = [Mount("/api/v3", routes=rest)] if enterprise else rest
        self.asgi = Starlette(routes=[graphql, *routes])

    async def _get_repository(self, request: Request) -> Response:
        return await self._serve(request, "repository", self._make_repository)

    async def _get_branch(self, request: Request) -> Response:
        return await self._serve(request, "branch", self._make_branch)

    async def _get_rate_limit(self, request: Request) -> Response:
        return await self._serve(request, "rate_limit", self._make_rate_limit)

    async def _post(self, request: Request) -> Response:
        raw = (await request.body()).decode()
        return await self._serve(request, "graphql", self._make_graphql, raw)

    async def _serve(
        self,
        request: Request,
        kind: str,
        make: Callable[[Request, Caller, str], Reply],
        raw: str = "",
    ) -> Response:
        with self.state.lock:
            self.state.requests[kind] += 1
        fault = self.state.take_fault(request.url.path, raw)
        if fault is not None and fault.status == HANGING:
            await self.released.wait()
        if fault is not None:
            return self._fail(fault)
        with self.state.lock:
            return self._answer(request, kind, make, raw)

    def _fail(self, fault: Fault) -> Response:
        status = fault.status or 503
        body = bodies.make_error(status, fault.message)
        return JSONResponse(body, status, headers=dict(fault.headers))

    def _answer(
        self,
        request: Request,
        kind: str,
        make: Callable[[Request, Caller, str], Reply],
        raw: str,
    ) -> Response:
        login = request.headers.get("authorization", "")
        if login and login.rpartition(" ")[2] not in self.state.tokens:
            return JSONResponse(bodies.make_error(401, "Bad credentials"), 401)
        bucket = ("graphql" if kind == "graphql" else "core") if login else "anonymous"
        limit = self.state.limits[bucket]
        if limit.remaining == 0 and kind != "rate_limit":
            body = bodies.make_error(403, "API rate limit exceeded for user ID 1.")
            return JSONResponse(body, 403, headers=self._make_limit_headers(bucket))
        reply = make(request, Caller(bucket, bool(login)), raw)
        return self._finish(request, kind, bucket, reply)

    def _finish(self, request: Request, kind: str, bucket: str, reply: Reply) -> Response:
        content = json.dumps(reply.body, separators=(",", ":")).encode()
        etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        same = reply.status == 200 and request.headers.get("if-none-match") == etag
        # A 304 is free for callers with a token only.
        if kind != "rate_limit" and not (same and bucket != "anonymous"):
            self.state.limits[bucket].used += 1
        headers = {**self._make_limit_headers(bucket), **reply.headers}
        if reply.status == 200:
            headers["ETag"] = etag
        if same:
            self.state.requests["not_modified"] += 1
            return Response(status_code=304, headers=headers)
        return Response(content, reply.status, headers, media_type="application/json")

    def _make_limit_headers(self, bucket: str) -> dict[str, str]:
        limit = self.state.limits[bucket]
        return {
            "X-RateLimit-Limit": str(limit.limit),
            "X-RateLimit-Remaining": str(limit.remaining),
            "X-RateLimit-Used": str(limit.used),
            "X-RateLimit-Reset": str(int(self.state.resets_at.timestamp())),
            "X-RateLimit-Resource": "graphql" if bucket == "graphql" else "core",
        }

    def _make_repository(self, request: Request, caller: Caller, _raw: str) -> Reply:
        found = self._find(request, caller)
        if isinstance(found, Reply):
            return found
        api_url = self._get_api_url(request)
        return Reply(200, bodies.make_repository(found, api_url, self._clone_url_base))

    def _make_branch(self, request: Request, caller: Caller, _raw: str) -> Reply:
        branch = request.path_params["branch"]
        found = self._find(request, caller, f"/branches/{branch}")
        if isinstance(found, Reply):
            return found
        sha = found.heads.get(branch)
        if sha is None:
            return Reply(404, bodies.make_error(404, "Branch not found"))
        body = bodies.make_branch(found.full_name, branch, sha, self._get_api_url(request))
        return Reply(200, body)

    def _make_rate_limit(self, _request: Request, caller: Caller, _raw: str) -> Reply:
        reset = int(self.state.resets_at.timestamp())
        return Reply(200, bodies.make_rate_limits(self.state.limits, caller.bucket, reset))

    def _make_graphql(self, _request: Request, caller: Caller, raw: str) -> Reply:
        if not self.state.graphql_enabled:
            return Reply(404, bodies.make_error(404, "Not Found"))
        if not caller.has_token:
            message = "This endpoint requires you to be authenticated."
            return Reply(401, bodies.make_error(401, message))
        body = json.loads(raw)
        return Reply(
            200, github_graphql.answer(self.state, body["query"], body.get("variables") or {})
        )

    def _find(self, request: Request, caller: Caller, below: str = "") -> FakeRepository | Reply:
        params = request.path_params
        number = params.get("number")
        if number is None:
            name = f"{params['owner']}/{params['name']}".lower()
            number = self.state.numbers.get(name)
            moved = self.state.old_names.get(name)
            if number is None and moved is not None:
                location = f"{self._get_api_url(request)}/repositories/{moved}{below}"
                body = bodies.make_error(301, "Moved Permanently", url=location)
                return Reply(301, body, {"Location": location})
        repository = self.state.by_number.get(number) if number is not None else None
        if repository is None or (repository.private and not caller.has_token):
            return Reply(404, bodies.make_error(404, "Not Found"))
        return _refuse(repository) or repository

    def _get_api_url(self, request: Request) -> str:
        return f"{request.url.scheme}://{request.url.netloc}{self._prefix}"


def _refuse(repository: FakeRepository) -> Reply | None:
    if repository.block_reason:
        status = 451 if repository.block_reason == "dmca" else 403
        block = {
            "reason": repository.block_reason,
            "created_at": "2026-01-01T00:00:00Z",
            "html_url": "https://github.com/tos",
        }
        return Reply(status, {"message": "Repository access blocked", "block": block})
    if repository.forbidden_message:
        return Reply(403, bodies.make_error(403, repository.forbidden_message))
    return None
