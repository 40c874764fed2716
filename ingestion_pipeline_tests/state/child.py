"""Processes of the tests' own that share a state store: ``python -m … <what> <url>``.

Each prints one line when it is ready and one when it did what it was asked to do after a line on
its standard input.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ingestion_pipeline
from ingestion_pipeline.state import open_state_store
from ingestion_pipeline.state.migrate import get_current_revision

ROOT = Path(ingestion_pipeline.__file__).parents[1]


@contextmanager
def start_child(what: str, url: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a child and wait until it is ready; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", __name__, what, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert read_line(process) == "ready"
            yield process
        finally:
            process.kill()


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def say_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _report(line: str | None) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _hold_lock(url: str) -> None:
    store = open_state_store(url)
    with store.lock_source("pallets/flask"):
        _report("ready")
        sys.stdin.readline()
    store.close()
    _report("done")


def _open_store(url: str) -> None:
    _report("ready")
    sys.stdin.readline()
    store = open_state_store(url)
    store.list_repositories()
    store.close()
    _report(get_current_revision(url))


if __name__ == "__main__":
    {"hold_lock": _hold_lock, "open_store": _open_store}[sys.argv[1]](sys.argv[2])
