"""``ingestion-pipeline serve`` as a process."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


class Server:
    """A server that runs, and every line that it has written so far.

    Args:
        process: Writes stdout and stderr to one pipe.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lines: list[str] = []
        self.address = self._wait_for_address()

    def _wait_for_address(self) -> str:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, self.lines
            self.lines.append(line)
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            if address:
                return address[0]

    def end(self) -> None:
        """End it as an operator does, and read what it has left to say."""
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=60)
        self.lines += said.splitlines(keepends=True)


@contextmanager
def run_server(home: Path, **settings: str) -> Iterator[Server]:
    """Yield a server that is up, over an empty project."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("INGESTION_", "DAGSTER_"))},
        "INGESTION_HOME": str(home),
        **settings,
    }
    command = [sys.executable, "-c", "from ingestion_pipeline.cli.main import main; main()"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


@pytest.mark.slow
def test_it_serves_until_it_is_ended(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        assert "INGESTION_GITHUB_WEBHOOK_SECRET" in "".join(server.lines)
        assert httpx.get(f"{server.address}/healthz", timeout=30).json() == {"status": "ok"}
        assert httpx.post(f"{server.address}/api/v1/webhooks/github").status_code == 503
        server.end()
    assert (tmp_path / ".data" / "state.db").is_file()


@pytest.mark.slow
def test_its_log_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    settings = {"INGESTION_LOG_FORMAT": "json", "INGESTION_ADMIN_TOKEN": "right-token"}
    with run_server(tmp_path, **settings) as server:
        url = f"{server.address}/api/repositories/octo/cat/sync?token=in-the-query"
        headers = {"Authorization": "Bearer wrong-token"}
        assert httpx.post(url, headers=headers, timeout=30).status_code == 401
        server.end()
    lines = [json.loads(line) for line in server.lines]
    for line in lines:
        assert set(line) == {"time", "level", "logger", "message"}
    assert {"uvicorn.error", "ingestion_pipeline.api.guard"} <= {line["logger"] for line in lines}
    [access] = [line for line in lines if line["logger"] == "uvicorn.access"]
    assert '"POST /api/repositories/octo/cat/sync HTTP/1.1" 401' in access["message"]
    said = "".join(server.lines)
    assert "in-the-query" not in said
    assert "token=" not in said
    assert "wrong-token" not in said
    assert "right-token" not in said
