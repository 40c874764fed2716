"""A receiver of webhooks on loopback that answers, or misbehaves, as it is told."""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class SeenWebhook:
    """One request as it arrived.

    Args:
        path: With the query.
        headers: Names in lower case.
        body: Byte for byte.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes


# What is done with the connection once the request was read; the event is set when the server ends.
Behaviour = Callable[[socket.socket, threading.Event], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer in one piece; ``retry_after`` is sent as ``retry-after``."""

    def do(connection: socket.socket, _closing: threading.Event) -> None:
        fields = {"content-length": str(len(body)), **headers}
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
        head = f"HTTP/1.1 {status} Whatever\r\n{''.join(lines)}\r\n"
        connection.sendall(head.encode() + body)

    return do


def say(data: bytes) -> Behaviour:
    """Send these bytes and close."""
    return lambda connection, _closing: connection.sendall(data)


def hang_after(data: bytes = b"") -> Behaviour:
    """Send these bytes, and then nothing more until the server ends."""

    def do(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(data)
        closing.wait()

    return do


def repeat(start: bytes, piece: bytes) -> Behaviour:
    """Send the start, and then the same piece until the other end has enough."""

    def do(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(start)
        while not closing.is_set():
            connection.sendall(piece)

    return do


ACCEPT = answer(204)


class WebhookReceiver:
    """A server in a thread of this process; a context manager.

    Args:
        behaviour: What every request meets; may be changed at any time.
        tls: Speaks TLS when set.
    """

    def __init__(self, behaviour: Behaviour = ACCEPT, tls: ssl.SSLContext | None = None):
        self.behaviour = behaviour
        self.seen: list[SeenWebhook] = []
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.seen.append(SeenWebhook(self.path, headers, body))
                self.close_connection = True
                with suppress(ConnectionError):
                    receiver.behaviour(self.connection, receiver._closing)

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up, or trusts another authority, is what tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
