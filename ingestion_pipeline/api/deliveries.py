"""Webhooks that were sent, that wait, and that nobody took: the dead letters."""

from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from ingestion_pipeline.api.problems import document_change, document_reading
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.deliveries import Delivery


class DeliveryView(BaseModel):
    """One webhook; of its address only the host is told, as the rest may hold secrets."""

    delivery_id: str
    job_id: str = Field(description="Of a job, or of the run that failed.")
    event: str
    host: str
    status: Literal["pending", "delivered", "dead"]
    attempts: int
    created_at: str
    next_attempt_at: str | None
    last_error: str | None


class Deliveries(BaseModel):
    """The newest first."""

    deliveries: list[DeliveryView]


def make_delivery_router(services: Services, wake: Callable[[], None]) -> APIRouter:
    """Return the routes.

    Args:
        services: Hold the store.
        wake: Called when there is something to send.
    """
    router = APIRouter(prefix="/api/v1/webhooks/deliveries", tags=["webhooks"])
    store = services.state.deliveries

    @router.get("", responses=document_reading(422, 503))
    def list_deliveries(
        dead: Annotated[bool, Query(description="Only those that nobody took.")] = False,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Deliveries:
        """List webhooks that were sent or wait."""
        rows = store.list_deliveries(dead=dead, limit=limit)
        return Deliveries(deliveries=[_show(row) for row in rows])

    @router.post("/{delivery_id}/retry", status_code=202, responses=document_change(404, 503))
    def retry_delivery(delivery_id: str) -> None:
        """Send a dead letter once more, with all its tries before it again."""
        # Postgres takes no NUL.
        if "\x00" in delivery_id or not store.revive(delivery_id, services.clock.now()):
            raise HTTPException(404, "No such dead letter.")
        wake()

    return router


def _show(delivery: Delivery) -> DeliveryView:
    pending = delivery.next_attempt_at
    return DeliveryView(
        delivery_id=delivery.delivery_id,
        job_id=delivery.job_id,
        event=delivery.event,
        host=urlsplit(delivery.url).hostname or "",
        status="pending" if pending else "delivered" if delivery.delivered_at else "dead",
        attempts=delivery.attempts,
        created_at=format_utc(delivery.created_at),
        next_attempt_at=format_utc(pending) if pending else None,
        last_error=delivery.last_error or None,
    )
