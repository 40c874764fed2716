"""The application: its routes, and what errors look like to callers."""

import logging
from datetime import datetime

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from ingestion_pipeline.api.webhooks import make_webhook_router
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import TransientError

_logger = logging.getLogger(__name__)


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


def make_app(services: Services) -> FastAPI:
    """Return the application over services that stay open as long as it does.

    Args:
        services: Its state store is opened here, once for all threads.
    """
    state = services.state
    app = FastAPI(title="ingestion_pipeline", docs_url=None, redoc_url=None)
    app.include_router(make_webhook_router(services))

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

    @app.exception_handler(TransientError)
    async def explain_transient(_request: Request, error: TransientError) -> JSONResponse:
        # The message names hosts and databases, which are nobody's business outside.
        _logger.warning("A request could not be answered: %s", error)
        detail = "This is a passing trouble. Try again."
        return JSONResponse({"detail": detail}, 503, {"Retry-After": "10"})

    return app
