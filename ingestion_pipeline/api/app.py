"""The application: its routes, and what errors look like to callers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import dagster as dg
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from ingestion_pipeline.api.deliveries import make_delivery_router
from ingestion_pipeline.api.guard import Guard, Pause, Tokens
from ingestion_pipeline.api.ingestion import make_ingestion_router
from ingestion_pipeline.api.job_routes import make_job_router
from ingestion_pipeline.api.jobs import JobDoor
from ingestion_pipeline.api.keeper import JobKeeper
from ingestion_pipeline.api.monitoring import make_monitoring_router
from ingestion_pipeline.api.openapi import describe_api, name_operation
from ingestion_pipeline.api.page import make_page_router
from ingestion_pipeline.api.problems import add_problem_handlers, document_reading
from ingestion_pipeline.api.repositories import make_repository_router
from ingestion_pipeline.api.search import make_search_router
from ingestion_pipeline.api.tracing import trace_requests
from ingestion_pipeline.api.turnstile import Turnstile
from ingestion_pipeline.api.webhooks import make_webhook_router
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.jobs import JobInProgressError
from ingestion_pipeline.orchestration.tracing import flush_traces


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
    percentage: int


def make_app(
    services: Services, instance: dg.DagsterInstance, pause: Pause = asyncio.sleep
) -> FastAPI:
    """Return the application over services that stay open as long as it does.

    While it is up it tends the jobs.

    Args:
        services: Its state store is opened here, once for all threads.
        instance: Dagster's, of the same project.
        pause: Waits before a failed attempt to get in is answered.
    """
    state = services.state
    keeper = JobKeeper(services, instance)
    door = JobDoor(services, instance, keeper.wake)

    @asynccontextmanager
    async def keep(_app: FastAPI) -> AsyncIterator[None]:
        with keeper.working():
            yield
        flush_traces()

    app = FastAPI(
        title="ingestion_pipeline",
        docs_url=None,
        redoc_url=None,
        lifespan=keep,
        generate_unique_id_function=name_operation,
    )
    app.add_middleware(Guard, tokens=Tokens(services.settings), pause=pause)
    app.include_router(make_job_router(door))
    # Hosts may take a minute to answer, and the embedded store may be in use by a sync.
    asking_hosts, searching = Turnstile(), Turnstile()
    app.include_router(make_ingestion_router(door, services, instance, asking_hosts))
    app.include_router(make_repository_router(door, services, instance, asking_hosts))
    app.include_router(make_search_router(services, searching))
    app.include_router(make_webhook_router(services))
    app.include_router(make_delivery_router(services, keeper.wake))
    app.include_router(make_monitoring_router(services, instance))
    app.include_router(make_page_router(services, instance, searching))
    add_problem_handlers(app)
    describe_api(app)

    @app.get("/api/v1/runs/{run_id}/progress", tags=["jobs"], responses=document_reading(404, 503))
    def read_progress(run_id: str) -> RunProgress:
        """Return the newest progress of a run, whoever asked for it."""
        # Postgres takes no NUL.
        progress = None if "\x00" in run_id else state.find_progress(run_id)
        if progress is None:
            raise HTTPException(404, "No such run is in progress.")
        return RunProgress.model_validate(progress)

    @app.exception_handler(JobInProgressError)
    async def explain_in_progress(_request: Request, error: JobInProgressError) -> JSONResponse:
        return await run_in_threadpool(door.explain_in_progress, error)

    trace_requests(app)
    return app
