"""Whether the application lives, whether it is ready, its numbers, and what the worker is at."""

import dagster as dg
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel

from ingestion_pipeline.api.metrics import PipelineCollector
from ingestion_pipeline.api.problems import document_reading
from ingestion_pipeline.api.readiness import OK, ReadinessChecks
from ingestion_pipeline.composition import Services
from ingestion_pipeline.orchestration.worker_status import read_worker_status

_TEXT = {"type": "string"}


class Health(BaseModel):
    """That this process answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """Whether everything answers: ``ready`` or ``not ready``, and what each check says."""

    status: str
    checks: dict[str, str]


class WorkerStatusView(BaseModel):
    """``Idle``, ``Offline``, ``Training Graph on {repository}`` or ``Error: {message}``."""

    status: str


def make_monitoring_router(services: Services, instance: dg.DagsterInstance) -> APIRouter:
    """Return the routes; none of them names a secret."""
    router = APIRouter(tags=["monitoring"])
    checks = ReadinessChecks(services, instance)
    registry = CollectorRegistry()
    registry.register(PipelineCollector(services, instance))

    @router.get("/healthz", openapi_extra={"security": []})
    async def read_health() -> Health:
        """Say that this process answers; nothing else is asked."""
        return Health()

    @router.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness}},
        openapi_extra={"security": []},
    )
    async def read_readiness() -> Response:
        """Ask what the application needs: 200 where all of it answers, else 503."""
        said = dict(await checks.ask())
        is_ready = all(words == OK for words in said.values())
        answer = Readiness(status="ready" if is_ready else "not ready", checks=said)
        return JSONResponse(answer.model_dump(), 200 if is_ready else 503)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={**document_reading(503), 200: {"content": {"text/plain": {"schema": _TEXT}}}},
    )
    def read_metrics() -> Response:
        """Return the numbers in Prometheus' text format 0.0.4."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    @router.get("/api/v1/ingestion/worker/status", responses=document_reading(503))
    def read_status() -> WorkerStatusView:
        """Return what whoever works on the queue is at."""
        return WorkerStatusView(status=str(read_worker_status(services, instance)))

    return router
