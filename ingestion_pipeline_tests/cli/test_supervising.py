"""Starting and ending several services as one, with stand-ins for Dagster and the HTTP door."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from ingestion_pipeline.cli.supervising import ServiceEndedError
from ingestion_pipeline_tests.cli.home import PROJECT_ROOT, CommandHome
from ingestion_pipeline_tests.cli.stand_ins import make_supervisor
from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, find_processes
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.postgres import find_free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not HAS_PROC, reason="Processes are found through /proc, which is not here."
    ),
]
LONG = "1000"


class Supervised:
    """A supervisor in a process of its own, and what it and its services print."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.folder = folder
        self.process = process
        self._log = log

    def read_output(self) -> str:
        return self._log.read_text()

    def wait_for_output(self, text: str, count: int = 1) -> None:
        wait_for(lambda: self.read_output().count(text) >= count, f"{text!r} in {self._log}")

    def wait_until_nothing_is_left(self) -> None:
        wait_for(lambda: not find_processes(self.folder), "every process to end")


@contextmanager
def supervise(folder: Path, grace_seconds: str, *kinds: str) -> Iterator[Supervised]:
    """Start it as a script starts what it puts in the background: SIGINT is ignored."""
    log = folder / "output.log"
    module = "ingestion_pipeline_tests.cli.stand_ins"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, grace_seconds, *kinds],
            cwd=PROJECT_ROOT,
            env={**os.environ, "STAND_INS": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN),
        )
    supervised = Supervised(folder, process, log)
    try:
        supervised.wait_for_output(" listens on http://127.0.0.1:", len(kinds))
        yield supervised
    finally:
        process.kill()
        process.wait()
        for left in find_processes(folder):
            os.kill(left.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_every_service(tmp_path: Path, number: int) -> None:
    with supervise(tmp_path, LONG, "polite", "polite") as supervised:
        os.killpg(supervised.process.pid, number)
        assert supervised.process.wait(60) == 0
        assert find_processes(tmp_path) == []
        assert supervised.read_output().count("polite was interrupted") == 2


def test_what_does_not_end_in_time_is_killed_its_children_too(tmp_path: Path) -> None:
    with supervise(tmp_path, "0.3", "polite", "deaf") as supervised:
        supervised.process.send_signal(signal.SIGTERM)
        assert supervised.process.wait(60) == 1
        assert find_processes(tmp_path) == []
        output = supervised.read_output()
        assert "polite was interrupted" in output
        assert "Killed: " in output
        assert "sleep (" in output


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    with supervise(tmp_path, LONG, "deaf") as supervised:
        supervised.process.send_signal(signal.SIGINT)
        supervised.wait_for_output("Ending everything")
        supervised.process.send_signal(signal.SIGINT)
        assert supervised.process.wait(60) == 1
        assert find_processes(tmp_path) == []


def test_services_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    with supervise(tmp_path, LONG, "polite", "polite") as supervised:
        supervised.process.kill()
        supervised.wait_until_nothing_is_left()
        assert supervised.read_output().count("polite was interrupted") == 2


def test_a_service_that_ends_by_itself_ends_the_others() -> None:
    supervisor = make_supervisor(["polite", "short"], float(LONG))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ServiceEndedError, match="short ended by itself, with status 3"):
        supervisor.run()
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("option", ["--port", "--http-port"])
def test_a_taken_port_is_refused_before_anything_starts(home: CommandHome, option: str) -> None:
    ports = {"--port": find_free_port(), "--http-port": find_free_port()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[option] = taken.getsockname()[1]
        said = home.refuse("dev", *(str(word) for pair in ports.items() for word in pair))
    assert f"cannot listen on http://127.0.0.1:{ports[option]}: Address already in use" in said
    assert said.endswith(f"or choose another port with {option}.")
    assert not (home.folder / ".dagster").exists()


def test_one_port_for_both_is_refused(home: CommandHome) -> None:
    port = str(find_free_port())
    said = home.refuse("dev", "--port", port, "--http-port", port)
    assert said.startswith(f"The HTTP door cannot listen on http://127.0.0.1:{port}: ")


def test_other_machines_are_not_let_in_without_a_token(home: CommandHome) -> None:
    assert "Without INGESTION_ADMIN_TOKEN" in home.refuse("dev", "--host", "0.0.0.0")
