"""The application: its routes, and what errors look like to callers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import dagster as dg
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from ingestion_pipeline.api.auth import TokenCheck
from ingestion_pipeline.api.jobs import JobDoor, explain_in_progress, make_job_router
from ingestion_pipeline.api.keeper import JobKeeper
from ingestion_pipeline.api.page import make_page_router
from ingestion_pipeline.api.problems import add_problem_handlers
from ingestion_pipeline.api.webhooks import make_webhook_router
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.jobs import JobInProgressError


class RunProgress(BaseModel):
    """How far a run is; ``total`` is 0 while nobody knows."""

    model_config = ConfigDict(from_attributes=True)

    run_id: str
    partition_key: str
    stage: str
    done: int
    total: int
    current: str
    updated_at: datetime


class Health(BaseModel):
    """That this process answers."""

    status: str = "ok"


def make_app(services: Services, instance: dg.DagsterInstance) -> FastAPI:
    """Return the application over services that stay open as long as it does.

    While it is up it tends the jobs.

    Args:
        services: Its state store is opened here, once for all threads.
        instance: Dagster's, of the same project.
    """
    state = services.state
    keeper = JobKeeper(services, instance)
    door = JobDoor(services, instance, keeper.wake)

    @asynccontextmanager
    async def keep(_app: FastAPI) -> AsyncIterator[None]:
        with keeper.working():
            yield

    app = FastAPI(title="ingestion_pipeline", docs_url=None, redoc_url=None, lifespan=keep)
    app.include_router(make_webhook_router(services))
    app.include_router(make_page_router(services, instance))
    app.include_router(make_job_router(door, TokenCheck(services.settings)))
    add_problem_handlers(app)

    @app.get("/api/v1/runs/{run_id}/progress")
    def read_progress(run_id: str) -> RunProgress:
        """Return the newest progress of a run."""
        progress = state.find_progress(run_id)
        if progress is None:
            raise HTTPException(404, "No such run is in progress.")
        return RunProgress.model_validate(progress)

    @app.get("/healthz")
    def read_health() -> Health:
        """Say that this process answers; nothing else is asked."""
        return Health()

    @app.exception_handler(JobInProgressError)
    async def explain_in_progress_job(_request: Request, error: JobInProgressError) -> JSONResponse:
        return await run_in_threadpool(explain_in_progress, door, error)

    return app
