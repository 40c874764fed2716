"""The application under uvicorn, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import httpx
import uvicorn

from ingestion_pipeline.api.app import make_app
from ingestion_pipeline.api.guard import Pause
from ingestion_pipeline.composition import Services


async def _go_on(_seconds: float) -> None:
    """Pause for no time at all."""


@contextmanager
def serve(
    services: Services, instance: dg.DagsterInstance, pause: Pause = _go_on
) -> Iterator[httpx.Client]:
    """Yield a client of a server that is up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(services, instance, pause)
        config = uvicorn.Config(app, log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            port = listener.getsockname()[1]
            # The socket listens already, so requests wait until the server takes them.
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive()
