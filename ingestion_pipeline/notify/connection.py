"""Connections to vetted addresses alone, under one time limit from the name to the last byte.

httpcore and not httpx: it reads no proxies from the environment, follows no redirects, sends no
header that it was not given, and takes a network backend as a public argument.
"""

# ruff: noqa: ARG002 - httpcore hands on time limits of its own, and the deadline stands for them

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore
from httpcore import SOCKET_OPTION

from ingestion_pipeline.notify.addresses import Network, Resolve, check_addresses

# So much at a time, so that a slow reader is noticed between two pieces.
_WRITE_BYTES = 64 * 1024


class Deadline:
    """A moment that all of a request has to be over by.

    Args:
        seconds: From now.
        monotonic: Tells seconds that never go back.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ends = monotonic() + seconds

    def compute_left(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            httpcore.TimeoutException: None are.
        """
        left = self._ends - self._monotonic()
        if left <= 0:
            raise httpcore.TimeoutException("The time for this request is over.")
        return left


class VettedBackend(httpcore.NetworkBackend):
    """Resolves a host once, looks at all its addresses, and dials one of just these.

    Names of TLS and of the Host header stay the URL's own, as they are not this backend's. The
    system's resolver cannot be interrupted: it may overrun the deadline by its own time limit, and
    then nothing is dialled.

    Args:
        allowed: Networks that may be reached though they are not public.
        resolve: Asked once a connection.
        deadline: Of the whole request; httpcore's own time limits are not looked at.
    """

    def __init__(self, allowed: Sequence[Network], resolve: Resolve, deadline: Deadline) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._deadline = deadline
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that takes the connection.

        Raises:
            WebhookUrlError: One of its addresses may not be reached.
            httpcore.ConnectError: It has no address, or none of them takes the connection.
            httpcore.TimeoutException: The deadline is over.
        """
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"The name does not resolve: {error}") from error
        check_addresses(host, addresses, self._allowed)
        failure = httpcore.ConnectError("The name has no address.")
        for address in addresses:
            left = self._deadline.compute_left()
            try:
                stream = self._backend.connect_tcp(
                    str(address), port, left, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure


class _DeadlineStream(httpcore.NetworkStream):
    """A stream whose every wait ends with the deadline: a byte now and then gains no time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.compute_left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            piece = buffer[start : start + _WRITE_BYTES]
            self._stream.write(piece, self._deadline.compute_left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            left = self._deadline.compute_left()
            stream = self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            self.close()  # httpcore knows of no connection yet, so it would leave it open
            raise
        return _DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
