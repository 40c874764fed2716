"""What a GitHub webhook says: was it sent by GitHub, and which repository changed?

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

import hashlib
import hmac
import json
from typing import Any, cast
from urllib.parse import parse_qs

from ingestion_pipeline.core.repositories import SourceId, SourceKind

# Renames, transfers and deletions are worth a look too; what to make of them the look decides.
EVENTS = frozenset({"push", "repository"})
_FORM = "application/x-www-form-urlencoded"
_PREFIX = "sha256="


class MalformedWebhookError(ValueError):
    """A signed delivery that does not say what GitHub's deliveries say."""


def verify_signature(secret: str, body: bytes, header: str | None) -> bool:
    """Return whether ``X-Hub-Signature-256`` was made of this body with this secret.

    Takes the same time for every wrong signature of the right length.

    Args:
        secret: What was typed into GitHub's form; with an empty one nothing is true.
        body: As it was sent, byte for byte.
        header: The header's value, None where there is none.
    """
    if not secret or not header:
        return False
    expected = _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    # Bytes, because text that is not ASCII is refused with an error.
    return hmac.compare_digest(expected.encode(), header.encode("utf-8", "backslashreplace"))


def read_push(event: str, body: bytes, content_type: str = "application/json") -> SourceId | None:
    """Return the repository that a delivery says has changed.

    Args:
        event: Value of ``X-GitHub-Event``.
        body: Of the request, its signature verified.
        content_type: JSON, or the form that GitHub's settings page offers first.

    Returns:
        Its source; None for an event that tells of no change, ``ping`` among them.

    Raises:
        MalformedWebhookError: It is no JSON object, or names no repository by number.
    """
    if event not in EVENTS:
        return None
    repository = _read_payload(body, content_type).get("repository")
    number = cast("dict[str, Any]", repository).get("id") if isinstance(repository, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise MalformedWebhookError("The payload names no repository by its id.")
    return SourceId(SourceKind.GITHUB, str(number))


def _read_payload(body: bytes, content_type: str) -> dict[str, Any]:
    try:
        if content_type.partition(";")[0].strip().lower() == _FORM:
            body = parse_qs(body.decode("ascii"), strict_parsing=True)["payload"][0].encode()
        payload: object = json.loads(body)
    except (ValueError, KeyError, RecursionError):
        raise MalformedWebhookError("The payload is no JSON.") from None
    if not isinstance(payload, dict):
        raise MalformedWebhookError("The payload is no JSON object.")
    return cast("dict[str, Any]", payload)
