"""The signature by which receivers know that a webhook is ours.

Standard Webhooks, symmetric scheme v1:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
# The specification's bounds.
_LEAST_BYTES, _MOST_BYTES = 24, 64
_ADVICE = "Make one with: echo whsec_$(openssl rand -base64 32)"


def parse_signing_secrets(text: str) -> tuple[bytes, ...]:
    """Return the keys of a setting, in its order.

    Args:
        text: ``whsec_`` and base64 of 24 to 64 bytes; several separated by commas.

    Raises:
        ValueError: It is anything else, nothing included. The message never holds a secret.
    """
    return tuple(_parse_secret(part.strip()) for part in text.split(","))


class WebhookSigner:
    """Signs webhooks, once for every secret.

    While a secret is replaced, two are given: receivers take a webhook when either signature is
    right, so each may change over in its own time.

    Args:
        secrets: As ``parse_signing_secrets`` takes them.

    Raises:
        ValueError: They do not fit.
    """

    def __init__(self, secrets: str) -> None:
        self._signatures = [Webhook(key) for key in parse_signing_secrets(secrets)]

    def sign(self, delivery_id: str, at: datetime, body: str) -> Mapping[str, str]:
        """Return the headers of one try.

        Args:
            delivery_id: The same for every try.
            at: The time of this try; receivers refuse what is older than some minutes.
            body: As it is sent.
        """
        moment = at.astimezone(UTC)  # the library takes any other timezone's hours for UTC
        signatures = [each.sign(delivery_id, moment, body) for each in self._signatures]
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _parse_secret(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        raise ValueError(f"A signing secret begins with {_PREFIX}. {_ADVICE}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"A signing secret is base64 after {_PREFIX}. {_ADVICE}") from None
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(
            f"A signing secret has {_LEAST_BYTES} to {_MOST_BYTES} bytes, and this one "
            f"{len(key)}. {_ADVICE}"
        )
    return key
