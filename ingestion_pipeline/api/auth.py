"""Who may change something: a bearer token, of which two hold while one replaces the other."""

import hmac
import logging

from fastapi import HTTPException, Request

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.settings import Settings

_logger = logging.getLogger(__name__)


class TokenCheck:
    """A dependency of every route that changes something.

    Args:
        settings: Hold the token; without one everybody who reaches the server may do all.

    Raises:
        ConfigurationError: The setting is there and holds no token, or an empty one.
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens: list[bytes] = []
        if settings.admin_token is not None:
            parts = settings.admin_token.get_secret_value().split(",")
            self._tokens = [part.strip().encode() for part in parts]
            if not all(self._tokens):
                raise ConfigurationError(
                    "INGESTION_ADMIN_TOKEN holds an empty token. Give one, or two separated by a "
                    "comma."
                )

    def __call__(self, request: Request) -> str:
        """Return who asks, in words.

        Raises:
            HTTPException: 401, the token is missing or wrong.
        """
        if not self._tokens:
            return "the HTTP API, without a token"
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        offered = given.strip().encode() if scheme.casefold() == "bearer" else b""
        # All are compared, so that the time taken does not tell which one is near.
        matches = [hmac.compare_digest(offered, token) for token in self._tokens]
        if any(matches):
            return "the HTTP API"
        client = request.client.host if request.client else "an unknown address"
        _logger.warning("A request of %s to %s had no valid token", client, request.url.path)
        raise HTTPException(
            401,
            "Invalid or missing authentication token",
            headers={"WWW-Authenticate": "Bearer"},
        )
