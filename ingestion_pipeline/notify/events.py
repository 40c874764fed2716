"""What a webhook carries, and the id that makes it one event however often it is told."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.deliveries import Delivery

# Never to change: an event told again after an upgrade must not become a second one.
_NAMESPACE = uuid.UUID("93d7a4c7-b056-586a-b152-10975d2a54c0")


def make_delivery(
    job_id: str, event: str, url: str, data: Mapping[str, Any], at: datetime
) -> Delivery:
    """Return the webhook that tells of an event of a job, due at once.

    The body is ``{"type", "timestamp", "data"}``, as Standard Webhooks has it.

    Args:
        job_id: Which job.
        event: What happened, for example ``sync.completed``; a job has each event once.
        url: Passed by ``check_webhook_url``.
        data: What there is to say; JSON's own types.
        at: When it happened.

    Raises:
        TypeError: ``data`` holds what JSON cannot.
        ValueError: Likewise, NaN for one.
    """
    body = {"type": event, "timestamp": format_utc(at), "data": dict(data)}
    return Delivery(
        delivery_id=make_delivery_id(job_id, event),
        job_id=job_id,
        url=url,
        event=event,
        body=json.dumps(body, separators=(",", ":"), allow_nan=False),
        created_at=at,
        next_attempt_at=at,
    )


def make_delivery_id(job_id: str, event: str) -> str:
    """Return the ``webhook-id`` of an event: the same for the same job and event, always."""
    return f"msg_{uuid.uuid5(_NAMESPACE, f'{len(job_id)}:{job_id}{event}').hex}"
