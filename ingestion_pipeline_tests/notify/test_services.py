"""What the settings make of webhooks."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import ConfigurationError, WebhookUrlError
from ingestion_pipeline.notify.sender import Answer
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.notify.samples import SECRET, make_completed
from ingestion_pipeline_tests.notify.test_signing import is_signed
from ingestion_pipeline_tests.servers.webhook_receiver import WebhookReceiver


def make_services(home: Path, **settings: Any) -> Services:
    return Services(Settings(home=home, **settings))


def test_nothing_is_promised_or_sent_unsigned(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    with pytest.raises(ConfigurationError, match="WEBHOOK_SIGNING_SECRET"):
        services.check_webhook("https://hooks.example/")
    with pytest.raises(ConfigurationError, match="WEBHOOK_SIGNING_SECRET"):
        _ = services.webhook_sender


def test_a_webhook_is_promised_where_it_may_go(tmp_path: Path) -> None:
    services = make_services(tmp_path, webhook_signing_secret=SecretStr(SECRET))
    services.check_webhook("https://hooks.example/")
    with pytest.raises(WebhookUrlError):
        services.check_webhook("http://127.0.0.1:8080/")


def test_the_sender_has_the_settings_secret_and_networks(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    services = make_services(
        tmp_path,
        webhook_signing_secret=SecretStr(SECRET),
        webhook_allowed_networks="127.0.0.0/8",
    )
    services.check_webhook(receiver.url)

    assert services.webhook_sender.send(make_completed(receiver.url), START) == Answer(204)

    assert is_signed(receiver.seen[0].headers, receiver.seen[0].body, SECRET)
