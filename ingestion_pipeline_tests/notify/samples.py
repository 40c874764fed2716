"""Secrets, deliveries and senders."""

from ipaddress import IPv4Network
from typing import Any

from ingestion_pipeline.core.deliveries import Delivery
from ingestion_pipeline.notify.events import make_delivery
from ingestion_pipeline.notify.sender import WebhookSender
from ingestion_pipeline.notify.signing import WebhookSigner
from ingestion_pipeline_tests.fakes.clock import START

# Of the specification's own libraries' tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = (IPv4Network("127.0.0.0/8"),)


def make_sender(**options: Any) -> WebhookSender:
    """Return a sender that may reach this machine."""
    return WebhookSender(WebhookSigner(SECRET), **{"allowed": LOOPBACK, **options})


def make_completed(url: str, job_id: str = "job 1") -> Delivery:
    return make_delivery(job_id, "sync.completed", url, {"files": 3, "name": "é"}, START)
