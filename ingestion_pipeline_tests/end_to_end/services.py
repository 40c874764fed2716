"""Commands that serve until they are killed."""

import subprocess

from ingestion_pipeline_tests.end_to_end.deployment import Deployment
from ingestion_pipeline_tests.end_to_end.processes import end_group


class Service:
    """A command of the virtual environment, which can be killed and started again.

    Args:
        deployment: Where it runs.
        arguments: Its name and its arguments.
    """

    def __init__(self, deployment: Deployment, *arguments: str) -> None:
        self._deployment = deployment
        self._arguments = arguments
        self._log_path = deployment.home / f"{arguments[0]}.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        with self._log_path.open("ab") as log:
            self._process = self._deployment.start(*self._arguments, log=log)

    def kill(self) -> None:
        """Kill it as kill -9 does, with every process that it started; again is no error."""
        if self._process is not None:
            end_group(self._process.pid)
            self._process.wait(timeout=30)

    def check_alive(self) -> None:
        """Fail with what it printed where it ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, self._log_path.read_text(errors="replace")
