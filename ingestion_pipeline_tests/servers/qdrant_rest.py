"""A Qdrant server on loopback that an unmodified ``QdrantClient(url=...)`` talks to, with faults.

::

    with QdrantRestServer(tmp_path) as server:
        store = QdrantPointStore(server.url)
        server.answer_next(2, status=503)             # the next two requests fail
        server.answer_next(1, status=429, retry_after="7", on="/points/delete")
        server.stay_silent_next(1)                    # the client runs into its time-out
        server.lose_answer_next(1, on="/points")      # the write takes effect, the answer is lost
        server.die_at("/points/delete")               # gone between upsert and delete …
        server.revive()                               # … and back, with what was written before
"""

import importlib.metadata
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from ingestion_pipeline_tests.servers.qdrant_rest_shards import (
    ExistingCollectionError,
    ShardedCollections,
    UnknownCollectionError,
)

# Said to be the server's: the client warns of one that is more than a minor release away.
CLIENT_VERSION = importlib.metadata.version("qdrant-client")
# Longer than any client's time-out in a test; a silent request ends with its server anyway.
SILENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived, refused ones included."""

    method: str
    path: str
    size_bytes: int
    body: Any


@dataclass(slots=True)
class Fault:
    """What happens to the next requests whose method and path contain ``on``."""

    on: str
    times: int
    act: Callable[["_Handler"], None]
    after_effect: bool = False


class QdrantRestServer:
    """Serves from a thread of this process on a free port until the context ends.

    Args:
        root: Folder of the collections; a second server over the same folder finds them.
        api_key: What every request must bring in the header ``api-key``; None for no key.
    """

    def __init__(self, root: Path, *, api_key: str | None = None) -> None:
        self.collections = ShardedCollections(root)
        self.api_key = api_key
        self.is_dead = False
        self.closing = threading.Event()
        self._requests: list[ReceivedRequest] = []
        self._faults: list[Fault] = []
        self._guard = threading.Lock()
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.collections.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        return tuple(self._requests)

    def count_requests(self, method: str, ending: str) -> int:
        """Return how many requests of this method had a path with this ending."""
        return sum(r.method == method and r.path.endswith(ending) for r in self._requests)

    def answer_next(
        self, times: int, *, status: int, retry_after: str | None = None, on: str = ""
    ) -> None:
        """Answer the next requests with an error of Qdrant's form, without any effect."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        body = {"status": {"error": f"told to answer {status}"}, "time": 0.0}
        self._add(Fault(on, times, lambda handler: handler.answer(status, body, headers)))

    def answer_raw_next(self, times: int, *, status: int, content: bytes, on: str = "") -> None:
        """Answer the next requests as something that is not Qdrant would, a proxy for example."""
        self._add(Fault(on, times, lambda handler: handler.answer_raw(status, content, {})))

    def stay_silent_next(
        self, times: int, *, on: str = "", after_effect: bool = False
    ) -> threading.Event:
        """Never answer the next requests; the event is set when the first of them waits."""
        is_silent = threading.Event()

        def stay_silent(handler: "_Handler") -> None:
            is_silent.set()
            handler.stay_silent()

        self._add(Fault(on, times, stay_silent, after_effect))
        return is_silent

    def drop_next(self, times: int, *, on: str = "") -> None:
        """Close the connections of the next requests without any effect."""
        self._add(Fault(on, times, lambda handler: handler.hang_up()))

    def lose_answer_next(self, times: int, *, on: str = "") -> None:
        """Let the next requests take effect and close their connections without an answer."""
        self._add(Fault(on, times, lambda handler: handler.hang_up(), after_effect=True))

    def die_at(self, on: str) -> None:
        """Die at the next request whose method and path contain ``on``, before it takes effect."""
        self._add(Fault(on, 1, lambda handler: handler.die()))

    def revive(self) -> None:
        """Answer again."""
        self.is_dead = False

    def take_fault(self, request: str) -> Fault | None:
        """Return the fault for this request (method and path), counting it."""
        with self._guard:
            for fault in self._faults:
                if fault.times > 0 and fault.on in request:
                    fault.times -= 1
                    return fault
        return None

    def note(self, request: ReceivedRequest) -> None:
        with self._guard:
            self._requests.append(request)

    def _add(self, fault: Fault) -> None:
        with self._guard:
            self._faults.append(fault)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: QdrantRestServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up while an answer is written are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""

    def _serve(self) -> None:
        owner = self.server.owner
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        body = json.loads(content) if content else {}
        owner.note(ReceivedRequest(self.command, path, len(content), body))
        fault = None if owner.is_dead else owner.take_fault(f"{self.command} {path}")
        if owner.is_dead:
            self.hang_up()
        elif fault and not fault.after_effect:
            fault.act(self)
        elif owner.api_key and self.headers.get("api-key") != owner.api_key:
            self.answer_raw(401, b"Must provide an API key or an Authorization bearer token", {})
        else:
            status, answer = self._perform(path, body)
            if fault:
                fault.act(self)
            else:
                self.answer(status, answer, {})

    def _perform(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts == [""]:
            return 200, {"title": "qdrant - vector search engine", "version": CLIENT_VERSION}
        if parts == ["aliases"]:
            return 200, {"result": self.server.owner.collections.list_aliases(), "status": "ok"}
        if parts[0] != "collections":
            return 404, {"status": {"error": f"no such path: {path}"}}
        try:
            result = self.server.owner.collections.perform(self.command, parts[1:], body)
        except UnknownCollectionError as error:
            return 404, _refuse(f"Not found: Collection `{error}` doesn't exist!")
        except ExistingCollectionError as error:
            return 409, _refuse(f"Wrong input: Collection `{error}` already exists!")
        except Exception as error:  # noqa: BLE001 - as the server does: whatever it is goes back
            return 400, _refuse(f"Wrong input: {error}")
        return 200, {"result": result, "status": "ok", "time": 0.0}

    def answer(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        self.answer_raw(status, json.dumps(body).encode(), headers)

    def answer_raw(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        fields: Iterable[tuple[str, str]] = (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
            *headers.items(),
        )
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def stay_silent(self) -> None:
        self.server.owner.closing.wait(SILENCE_SECONDS)
        self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True

    def die(self) -> None:
        self.server.owner.is_dead = True
        self.hang_up()


def _refuse(message: str) -> dict[str, Any]:
    return {"status": {"error": message}, "time": 0.0}
