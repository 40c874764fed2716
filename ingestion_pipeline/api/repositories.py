"""``/api/v1/repositories``: what is tracked."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import dagster as dg
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from ingestion_pipeline.api.ingestion import list_remote_hosts, telling_taken_names
from ingestion_pipeline.api.jobs import JobDoor
from ingestion_pipeline.api.options import Branch, InvalidOptionError
from ingestion_pipeline.api.problems import document_change, document_reading
from ingestion_pipeline.api.turnstile import Turnstile
from ingestion_pipeline.composition import Services, parse_github_reference
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import ConfigurationError, RepositoryNotTrackedError
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, SyncRecord
from ingestion_pipeline.orchestration.sweeps import list_busy_keys
from ingestion_pipeline.orchestration.untracking import untrack
from ingestion_pipeline.parse.ignore import validate_ignore_patterns
from ingestion_pipeline.tracking.track import track_repository

_MOST_BRANCHES = 100


class TrackRequest(BaseModel):
    """Which repository, and what of it; what is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://github.com/o/n"}]}
    )

    url: str = Field(max_length=500, description="As people write it; `o/n` will do.")
    branches: list[Branch] | None = Field(
        default=None, max_length=_MOST_BRANCHES, description="`[]` for the default branch."
    )
    ignore_patterns: list[str] | None = Field(
        default=None, description="Files to leave out, in gitignore syntax."
    )


class BranchView(BaseModel):
    """One branch as it was last indexed, whole."""

    name: str
    head: str
    indexed_at: str
    files: int
    symbols: int
    points: int

    @classmethod
    def of(cls, branch: IndexedBranch) -> "BranchView":
        """Return what callers see of a branch."""
        return cls(
            name=branch.branch,
            head=branch.head_sha,
            indexed_at=format_utc(branch.indexed_at),
            files=branch.file_count,
            symbols=branch.symbol_count,
            points=branch.point_count,
        )


class LastSync(BaseModel):
    """How the newest sync ended."""

    status: str
    started_at: str
    error: str | None

    @classmethod
    def of(cls, line: SyncRecord) -> "LastSync":
        """Return what callers see of a sync."""
        started_at = format_utc(line.started_at)
        return cls(status=line.status.value, started_at=started_at, error=line.error or None)


class RepositoryView(BaseModel):
    """One tracked repository, as the state knows it; no host is asked."""

    repository: str = Field(description="`owner/name`, the partition key.")
    repository_id: str = Field(description="The host's own id.")
    kind: str
    web_url: str | None
    sync_status: Literal["syncing", "idle"]
    status: str = Field(description="What the host last said of it.")
    status_detail: str | None
    pushed_at: str | None
    tracked_branches: list[str]
    ignore_patterns: list[str]
    branches: list[BranchView]
    last_sync: LastSync | None


class Repositories(BaseModel):
    """Ordered by name."""

    repositories: list[RepositoryView]


def make_repository_router(
    door: JobDoor, services: Services, instance: dg.DagsterInstance, turnstile: Turnstile
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/v1/repositories", tags=["repositories"])

    @router.get("", responses=document_reading(503))
    def list_repositories() -> Repositories:
        """List what is tracked."""
        state, busy = services.state, list_busy_keys(services, instance)
        branches, syncs = state.list_all_branches(), state.list_newest_syncs()
        views = [
            _describe(row, busy, branches.get(row.source, ()), syncs.get(row.source))
            for row in state.list_repositories()
        ]
        return Repositories(repositories=views)

    @router.get("/{repo_id:path}", responses=document_reading(404, 503))
    def read_repository(repo_id: str) -> RepositoryView:
        """Return one tracked repository: ``owner/name``, or the host's number."""
        row = door.find_repository(repo_id)
        return _show(services, row, list_busy_keys(services, instance))

    @router.post(
        "",
        status_code=201,
        responses={**document_change(400, 404, 409, 422, 503), 200: {"model": RepositoryView}},
    )
    def track(asked: TrackRequest, response: Response) -> RepositoryView:
        """Track a repository (201), or change what is tracked of one (200)."""
        try:
            validate_ignore_patterns(asked.ignore_patterns or ())
        except ConfigurationError as error:
            raise InvalidOptionError("ignore_patterns", str(error)) from error
        name = parse_github_reference(services.settings, asked.url)
        before = services.state.find_repository(name)
        hosts = list_remote_hosts(services)
        with turnstile.passing(), telling_taken_names():
            row = track_repository(
                *(name, asked.branches, hosts, services.state, services.clock),
                ignore_patterns=asked.ignore_patterns,
            )
        response.status_code = 201 if before is None or before.source != row.source else 200
        return _show(services, row, list_busy_keys(services, instance))

    @router.delete("/{repo_id:path}", status_code=204, responses=document_change(404, 422, 503))
    def delete_repository(
        repo_id: str,
        purge: Annotated[
            bool, Query(description="Delete its points now, not a day later.")
        ] = False,
    ) -> None:
        """Stop tracking a repository."""
        try:
            key = door.find_repository(repo_id).partition_key
        except RepositoryNotTrackedError:
            if not purge:
                raise
            key = repo_id  # untracked before, its points are there still
        untrack(services, instance, key, purge=purge)

    return router


def _show(services: Services, row: TrackedRepository, busy: Collection[str]) -> RepositoryView:
    state = services.state
    syncs = state.list_syncs(row.partition_key, limit=1)
    return _describe(row, busy, state.list_branches(row.source), syncs[0] if syncs else None)


def _describe(
    row: TrackedRepository,
    busy: Collection[str],
    branches: Sequence[IndexedBranch],
    last_sync: SyncRecord | None,
) -> RepositoryView:
    hosted = row.hosted
    return RepositoryView(
        repository=row.partition_key,
        repository_id=row.source.stable_id,
        kind=row.source.kind.value,
        sync_status="syncing" if row.partition_key in busy else "idle",
        web_url=hosted.web_url or None,
        status=hosted.status.value,
        status_detail=row.status_detail or None,
        pushed_at=hosted.pushed_at,
        tracked_branches=list(row.tracked_branches),
        ignore_patterns=list(row.ignore_patterns),
        branches=[BranchView.of(branch) for branch in branches],
        last_sync=LastSync.of(last_sync) if last_sync else None,
    )
