"""Signatures and payloads of GitHub's webhooks."""

import hashlib
import hmac
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.freshness.webhook import (
    MalformedWebhookError,
    read_push,
    verify_signature,
)

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_github_s_own_example():
    assert verify_signature(SECRET, BODY, SIGNATURE)


@pytest.mark.parametrize("header", [None, "", "sha256=", SIGNATURE[:-1], SIGNATURE + "0", "é"])
def test_a_wrong_signature(header: str | None):
    assert not verify_signature(SECRET, BODY, header)


def test_an_empty_secret_signs_nothing():
    signature = "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not verify_signature("", BODY, signature)


@given(st.binary(max_size=50), st.integers(0, 7), st.data())
def test_one_bit_of_the_body_makes_it_another(body: bytes, bit: int, data: st.DataObject):
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert verify_signature(SECRET, body, signature)
    if body:
        place = data.draw(st.integers(0, len(body) - 1))
        changed = bytearray(body)
        changed[place] ^= 1 << bit
        assert not verify_signature(SECRET, bytes(changed), signature)


@given(st.text(max_size=80))
def test_no_text_is_an_error(header: str):
    assert not verify_signature(SECRET, BODY, header) or header == SIGNATURE


def test_a_push_names_its_repository_by_number():
    body = b'{"repository": {"id": 1296269, "full_name": "octocat/Hello-World"}}'
    source = SourceId(SourceKind.GITHUB, "1296269")
    assert read_push("push", body) == read_push("repository", body) == source


@pytest.mark.parametrize("event", ["ping", "issues", "", "PUSH"])
def test_other_events_are_not_even_read(event: str):
    assert read_push(event, b"\xff no JSON") is None


@given(st.binary(max_size=200), st.sampled_from(["application/json", "", "text/html; x"]))
def test_bytes_of_any_kind_are_malformed_or_name_a_repository(body: bytes, kind: str):
    with suppress(MalformedWebhookError):
        assert read_push("push", body, kind) is not None
