"""Receivers on loopback, and senders that may reach them."""

from collections.abc import Iterator

import pytest

from ingestion_pipeline_tests.servers.webhook_receiver import WebhookReceiver


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A receiver that takes everything until it is told otherwise."""
    with WebhookReceiver() as opened:
        yield opened
