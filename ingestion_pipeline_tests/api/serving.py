"""The application under uvicorn, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import httpx
import uvicorn

from ingestion_pipeline.api.app import make_app
from ingestion_pipeline.composition import Services


@contextmanager
def serve(services: Services, instance: dg.DagsterInstance) -> Iterator[httpx.Client]:
    """Yield a client of a server that is up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(make_app(services, instance), log_config=None, ws="none")
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
