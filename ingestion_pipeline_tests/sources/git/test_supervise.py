"""The supervisor: limits, and the death of a whole group."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingestion_pipeline.sources.git import supervise

_SCRIPT = str(Path(supervise.__file__))


@contextmanager
def _supervised(
    script: str, *, timeout_seconds: float = 60, max_file_bytes: int = 10**6, cpu_seconds: int = 60
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a shell script under the supervisor; yields it and our end of the control pipe."""
    control, ours = os.pipe()
    numbers = [control, timeout_seconds, max_file_bytes, cpu_seconds]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", _SCRIPT, *map(str, numbers), "/bin/sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(control,),
        start_new_session=True,
    )
    os.close(control)
    try:
        yield process, ours
    finally:
        os.close(ours)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("code", [0, 1, 127])
def test_the_exit_code_is_passed_on(code: int) -> None:
    with _supervised(f"exit {code}") as (process, _):
        assert process.wait() == code


def test_death_by_a_signal_is_an_exit_code_over_128() -> None:
    with _supervised("kill -TERM $$") as (process, _):
        assert process.wait() == 128 + signal.SIGTERM


def test_a_command_that_does_not_exist_is_127() -> None:
    control, ours = os.pipe()
    done = subprocess.run(
        [sys.executable, "-I", "-S", _SCRIPT, str(control), "60", "1000", "60", "/does/not/exist"],
        pass_fds=(control,),
        check=False,
    )
    os.close(control)
    os.close(ours)

    assert done.returncode == 127


# The grandchild holds the pipe to us too: reading to its end waits for the grandchild's death.
_WITH_GRANDCHILD = "sleep 600 & echo started; wait"


def test_the_whole_group_dies_when_the_time_is_over() -> None:
    with _supervised(_WITH_GRANDCHILD, timeout_seconds=0.5) as (process, _):
        assert process.communicate()[0] == "started\n"
        assert process.returncode == -signal.SIGKILL


def test_the_whole_group_dies_when_its_starter_is_gone() -> None:
    with _supervised(_WITH_GRANDCHILD) as (process, ours):
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        read_only = os.open(os.devnull, os.O_RDONLY)
        os.dup2(read_only, ours)  # closes our end and keeps the number valid
        os.close(read_only)

        assert process.communicate()[0] == ""
        assert process.returncode == -signal.SIGKILL


def test_no_file_grows_over_the_limit(tmp_path: Path) -> None:
    script = f"head -c 100000 /dev/zero > {tmp_path / 'large'}"
    with _supervised(script, max_file_bytes=5000) as (process, _):
        assert process.wait() != 0

    assert (tmp_path / "large").stat().st_size == 5000


def test_cpu_time_is_limited() -> None:
    with _supervised("while :; do :; done", cpu_seconds=1) as (process, _):
        assert process.wait() in {128 + signal.SIGXCPU, 128 + signal.SIGKILL}


def test_files_are_private(tmp_path: Path) -> None:
    with _supervised(f"echo x > {tmp_path / 'private'}") as (process, _):
        assert process.wait() == 0

    assert (tmp_path / "private").stat().st_mode & 0o077 == 0
