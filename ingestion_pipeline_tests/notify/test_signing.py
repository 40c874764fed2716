"""Signatures, verified by what the specification says and not by what made them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ingestion_pipeline.notify.signing import WebhookSigner, parse_signing_secrets
from ingestion_pipeline_tests.notify.samples import SECRET

AT = datetime.fromtimestamp(1614265330, UTC)
OTHER_SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Verify as a receiver does: HMAC-SHA256 over id, timestamp and body, joined by full stops."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split(" ")


def test_the_published_example_comes_out() -> None:
    headers = WebhookSigner(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", AT, '{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert is_signed(headers, b'{"test": 2432232314}', SECRET)
    assert not is_signed(headers, b'{"test": 2432232315}', SECRET)
    assert not is_signed(headers, b'{"test": 2432232314}', OTHER_SECRET)


def test_while_a_secret_is_replaced_both_sign() -> None:
    headers = WebhookSigner(f"{SECRET}, {OTHER_SECRET}").sign("msg_1", AT, "é")

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert is_signed(headers, "é".encode(), SECRET)
    assert is_signed(headers, "é".encode(), OTHER_SECRET)


def test_a_moment_is_the_same_in_every_timezone() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    signer = WebhookSigner(SECRET)
    assert signer.sign("msg_1", elsewhere, "{}") == signer.sign("msg_1", AT, "{}")


@pytest.mark.parametrize("size_bytes", [24, 64])
def test_keys_have_the_bytes_of_their_base64(size_bytes: int) -> None:
    key = bytes(range(size_bytes))
    assert parse_signing_secrets(f"whsec_{base64.b64encode(key).decode()}") == (key,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        f"{SECRET},",
        SECRET.removeprefix("whsec_"),
        "whsec_",
        "whsec_sesame that nobody may read",
        f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{base64.b64encode(bytes(65)).decode()}",
        f"{SECRET[:-1]}é",
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="openssl rand") as raised:
        WebhookSigner(text)
    shown = str(raised.value).partition("Make one")[0]
    assert not [part for part in text.split(",") if len(part) > 6 and part[6:] in shown]
