"""``ingestion-pipeline serve`` as a process."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


@pytest.mark.slow
def test_it_serves_until_it_is_ended(tmp_path: Path) -> None:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("INGESTION_", "DAGSTER_"))},
        "INGESTION_HOME": str(tmp_path),
    }
    command = [sys.executable, "-c", "from ingestion_pipeline.cli.main import main; main()"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            address = None
            while address is None:
                line = process.stdout.readline()
                assert line, said
                said.append(line)
                address = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert "INGESTION_GITHUB_WEBHOOK_SECRET" in "".join(said)
            assert httpx.get(f"{address[0]}/healthz", timeout=30).json() == {"status": "ok"}
            assert httpx.post(f"{address[0]}/api/v1/webhooks/github").status_code == 503
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert (tmp_path / ".data" / "state.db").is_file()
