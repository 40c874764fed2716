"""Smart-HTTP git on loopback: ``git http-backend`` behind a small server that can misbehave.

Serves every repository below a folder: ``<root>/owner/name.git`` is ``<url>/owner/name.git``.
"""

import base64
import gzip
import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

HANG = "hang"
TRUNCATE = "truncate"
STALL = "stall"


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as it arrived.

    Args:
        method: HTTP method.
        path: With the query.
        authorization: The header, "" for none.
        wants: How many objects it asks for.
    """

    method: str
    path: str
    authorization: str
    wants: int = 0


@dataclass
class GitHttpServer:
    """A server in a thread of this process; a context manager.

    Args:
        root: Folder of bare repositories.
        token: Asked for as ``x-access-token``'s password; "" asks for nothing.
        supports_filter: Whether blobs can be left out.
        gives_any_object: False speaks the older protocol, in which nothing but the heads of
            branches can be asked for.
        status: Answered to everything instead of git when set.
        redirect_to: Sent as ``Location`` with status 301 when set.
        misbehaviour: ``HANG`` never answers the pack request; ``TRUNCATE`` closes in the middle of
            the pack; ``STALL`` sends half of it and then nothing more.
        misbehaves_for: Id of an object; only packs that it was asked for in are cut.
        cut_after_bytes: Where ``TRUNCATE`` and ``STALL`` cut; None for the middle.
        requests: What arrived, in order.
        is_stalled: Set when ``STALL`` has sent its part.
    """

    root: Path
    token: str = ""
    supports_filter: bool = True
    gives_any_object: bool = True
    status: int = 0
    redirect_to: str = ""
    misbehaviour: str = ""
    misbehaves_for: str = ""
    cut_after_bytes: int | None = None
    requests: list[SeenRequest] = field(default_factory=list[SeenRequest])
    is_stalled: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._released = threading.Event()
        outer = self

        class Handler(_GitHandler):
            owner = outer

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def authorization(self) -> str:
        """The header that the token needs."""
        return f"Basic {base64.b64encode(f'x-access-token:{self.token}'.encode()).decode()}"

    def wait_until_released(self) -> None:
        """Block until the server is closed or lets go."""
        self._released.wait()

    def release(self) -> None:
        """Behave from now on, and close the connections that hang."""
        self.misbehaviour = ""
        self.is_stalled.clear()
        hanging, self._released = self._released, threading.Event()
        hanging.set()

    def make_environment(self, handler: BaseHTTPRequestHandler, path: str) -> dict[str, str]:
        """Return what ``git http-backend`` reads its request from."""
        bare_path, _, query = path.partition("?")
        config = {
            "safe.directory": "*",
            "uploadpack.allowFilter": "true" if self.supports_filter else "false",
        }
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": str(len(config)),
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": (
                handler.headers.get("Git-Protocol", "") if self.gives_any_object else ""
            ),
            "PATH_INFO": bare_path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": handler.command,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        for number, (key, value) in enumerate(config.items()):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed or cut off are what the tests are about."""


class _GitHandler(BaseHTTPRequestHandler):
    owner: GitHttpServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._read_body())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        authorization = self.headers.get("Authorization", "")
        wants = len(re.findall(rb"want [0-9a-f]{40}", body))
        self.owner.requests.append(SeenRequest(self.command, self.path, authorization, wants))
        if self.owner.status:
            self._send(self.owner.status, [], b"no")
        elif self.owner.redirect_to:
            self._send(301, [("Location", self.owner.redirect_to + self.path)], b"")
        elif self.owner.token and authorization != self.owner.authorization:
            self._send(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
        elif self.owner.misbehaviour == HANG and self.command == "POST":
            self.owner.wait_until_released()
            self.close_connection = True
        else:
            self._serve(body)

    def _serve(self, body: bytes) -> None:
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            env=self.owner.make_environment(self, self.path),
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n") if line]
        status = next((int(v.split()[0]) for k, _, v in lines if k.lower() == "status"), 200)
        headers = [(k, v) for k, _, v in lines if k.lower() != "status"]
        # Only the answer with the pack is long; the one that lists refs stays whole.
        is_pack = self.command == "POST" and b"packfile" in content[:4096]
        is_meant = self.owner.misbehaves_for.encode() in body
        cut = is_pack and is_meant and self.owner.misbehaviour in {TRUNCATE, STALL}
        self._send(status, headers, content, cut=cut)

    def _send(
        self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        end = self.owner.cut_after_bytes
        middle = len(content) // 2
        self.wfile.write(content[: middle if end is None else end] if cut else content)
        if cut and self.owner.misbehaviour == STALL:
            self.wfile.flush()
            self.owner.is_stalled.set()
            self.owner.wait_until_released()
        self.close_connection = self.close_connection or cut

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        is_gzip = self.headers.get("Content-Encoding", "") == "gzip"
        return gzip.decompress(body) if is_gzip else body
