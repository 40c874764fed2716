"""What is decided about a request before anything of its body is read by a route.

The token, so that nobody without one has us read or parse anything; who may ask where there is no
token; and how large a body may be. It stands before all routes: a new one cannot forget it.
"""

import asyncio
import base64
import binascii
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingestion_pipeline.api.bodies import BodyTooLargeError, read_body
from ingestion_pipeline.api.problems import make_problem
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.settings import Settings

_logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_SECONDS = 30.0
# Long enough to make guessing dear, short enough for a person who mistyped.
FAILURE_PAUSE_SECONDS = 1.0

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Asked by whatever watches over the process, which has no token.
_ALWAYS_OPEN = frozenset({"/healthz", "/readyz"})
# Its signature is its token, and it reads its own body; see ``webhooks``.
_SIGNED = frozenset({"/api/v1/webhooks/github"})

_READING_CHALLENGE = 'Bearer, Basic realm="ingestion_pipeline", charset="UTF-8"'

Pause = Callable[[float], Awaitable[None]]


class Access(StrEnum):
    """What a token lets its holder do."""

    NOTHING = "nothing"
    READING = "reading"
    ALL = "all"


class Tokens:
    """The tokens of the settings.

    Args:
        settings: Hold a token for all, and perhaps one that may read and no more; each may be two,
            separated by a comma, while one replaces the other.

    Raises:
        ConfigurationError: A setting holds an empty token, or only reading has one.
    """

    def __init__(self, settings: Settings) -> None:
        self._all = _split(settings.admin_token, "INGESTION_ADMIN_TOKEN")
        self._reading = _split(settings.read_token, "INGESTION_READ_TOKEN")
        if self._reading and not self._all:
            raise ConfigurationError(
                "INGESTION_READ_TOKEN closes what is read, and without INGESTION_ADMIN_TOKEN "
                "anybody could still change it. Set both."
            )

    @property
    def are_set(self) -> bool:
        """Whether changing something needs a token."""
        return bool(self._all)

    @property
    def close_reading(self) -> bool:
        """Whether reading needs one, too."""
        return bool(self._reading)

    def check(self, header: str, *, is_reading: bool) -> Access:
        """Return what the value of an ``Authorization`` header lets its sender do.

        To read, the token may be a password, too, which browsers ask for. To change something it
        may not: they would send it along with whatever the page of another site asks for.
        """
        scheme, _, given = header.partition(" ")
        # As the bytes that were sent: a header comes decoded as Latin-1, whatever it was.
        offered = given.strip().encode("latin-1", "replace")
        if is_reading and scheme.casefold() == "basic":
            offered = _read_password(offered)
        elif scheme.casefold() != "bearer":
            offered = b""
        if not offered:
            return Access.NOTHING
        # All are compared, so that the time taken does not tell which one is near.
        for_all = [hmac.compare_digest(offered, token) for token in self._all]
        for_reading = [hmac.compare_digest(offered, token) for token in self._reading]
        if any(for_all):
            return Access.ALL
        return Access.READING if any(for_reading) else Access.NOTHING


class Guard:
    """ASGI middleware before all routes.

    Args:
        app: What comes next.
        tokens: Of the settings.
        pause: Waits before a failed attempt is answered.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, pause: Pause = asyncio.sleep) -> None:
        self._app = app
        self._tokens = tokens
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on with a body that is whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        refusal = await self._refuse(request)
        if refusal is None and not _has_own_limit(request):
            try:
                body = await read_body(request, MAX_BODY_BYTES, BODY_TIMEOUT_SECONDS)
                receive = _replay(body, receive)
            except BodyTooLargeError:
                refusal = make_problem(413, f"A body may have {MAX_BODY_BYTES:,} bytes at most.")
            except TimeoutError:
                refusal = make_problem(408, "The body did not arrive in time.")
            except ClientDisconnect:
                return
        await (refusal or self._app)(scope, receive, send)

    async def _refuse(self, request: Request) -> JSONResponse | None:
        """Return the answer for who may not ask this; None where all is well."""
        # Not that of the URL, which is made of what the client says is its host.
        path, is_reading = request.scope["path"], request.method in _READING
        if path in _SIGNED or (is_reading and path in _ALWAYS_OPEN):
            return None
        if not self._tokens.are_set:
            return _refuse_strange_origin(request)
        if is_reading and not self._tokens.close_reading:
            return None
        given = request.headers.get("Authorization", "")
        access = self._tokens.check(given, is_reading=is_reading)
        if access is Access.ALL or (is_reading and access is Access.READING):
            return None
        client = request.client.host if request.client else "an unknown address"
        if access is Access.READING:
            _logger.warning("A token for reading was used by %s for more: %s", client, path)
            return make_problem(403, "This token may only read.")
        _logger.warning("A request of %s to %s had no valid token", client, path)
        if given:
            await self._pause(FAILURE_PAUSE_SECONDS)
        challenge = {"WWW-Authenticate": _READING_CHALLENGE if is_reading else "Bearer"}
        return make_problem(401, "Invalid or missing authentication token", headers=challenge)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_strange_origin(request: Request) -> JSONResponse | None:
    """Refuse what a page of another site has a browser send, where no token keeps it out.

    The host is checked against DNS rebinding: such a page's own name leads here then.
    """
    host = request.headers.get("Host", "")
    if not is_loopback(_read_name(f"//{host}")):
        return make_problem(
            403,
            "Without a token this server answers only under a loopback address. Set "
            "INGESTION_ADMIN_TOKEN to use it under another name.",
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != host:
        return make_problem(403, "Pages of other sites may not use this server.")
    return None


def _read_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that do not close
        return ""


def _has_own_limit(request: Request) -> bool:
    return request.method in _READING or request.scope["path"] in _SIGNED


def _read_password(given: bytes) -> bytes:
    """Return the password of Basic credentials (RFC 7617), b"" for what are none."""
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body, and then whatever else comes of the connection."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _split(setting: SecretStr | None, name: str) -> list[bytes]:
    if setting is None:
        return []
    tokens = [part.strip().encode() for part in setting.get_secret_value().split(",")]
    if not all(tokens):
        raise ConfigurationError(
            f"{name} holds an empty token. Give one, or two separated by a comma."
        )
    return tokens
