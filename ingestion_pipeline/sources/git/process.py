"""Starts git: supervised where it talks to a network, plain where it reads a mirror."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingestion_pipeline.sources.git.environment import find_git
from ingestion_pipeline.sources.git.limits import GitLimits

_SUPERVISOR = Path(__file__).with_name("supervise.py")
_STDERR_BYTES = 16_384
_STDOUT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class GitOutcome:
    """How a git command ended.

    Args:
        exit_code: 0 for success; negative when the supervisor itself was killed.
        stdout: What it printed, at most 64 MiB of it where it talked to a network.
        stderr: The last 16 KiB of its complaints, not scrubbed.
        timed_out: Killed because its time was over.
    """

    exit_code: int
    stdout: bytes
    stderr: str
    timed_out: bool = False


def run_supervised(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    limits: GitLimits,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> GitOutcome:
    """Run a git command that starts further processes, under time, CPU and file size limits.

    It dies with everything it started when the time is over and when this process dies.
    """
    control_read, control_write = os.pipe()
    started = time.monotonic()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_SUPERVISOR)),
                    *(str(control_read), str(limits.timeout_seconds)),
                    # CPU time is per process and whole seconds; the wall clock usually comes first.
                    *(str(limits.max_repository_bytes), str(int(limits.timeout_seconds) + 1)),
                    *(find_git(), *arguments),
                ],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=dict(environment),
                pass_fds=(control_read,),
                start_new_session=True,
            )
        finally:
            os.close(control_read)
        try:
            exit_code = process.wait()
        finally:
            os.close(control_write)
            process.wait()
        timed_out = (
            exit_code == -signal.SIGKILL and time.monotonic() - started >= limits.timeout_seconds
        )
        stdout.seek(0)
        return GitOutcome(exit_code, stdout.read(_STDOUT_BYTES), _read_tail(stderr), timed_out)


def run_reader(
    arguments: Sequence[str], environment: Mapping[str, str], timeout_seconds: float
) -> GitOutcome:
    """Run a short git command that only touches this machine's disk and starts no process."""
    try:
        done = subprocess.run(
            [find_git(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            timeout=timeout_seconds,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return GitOutcome(-signal.SIGKILL, b"", "", timed_out=True)
    return GitOutcome(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


class GitStream:
    """A running git command whose output is read as it comes.

    Args:
        process: The command.
        stdout: Its output.
        stderr: Where its complaints go.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], stdout: IO[bytes], stderr: IO[bytes]
    ) -> None:
        self.stdout = stdout
        self._process = process
        self._stderr = stderr

    def finish(self) -> GitOutcome:
        """Wait for the end of a command whose output was read to its end."""
        return GitOutcome(self._process.wait(), b"", _read_tail(self._stderr))


@contextmanager
def stream_reader(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: IO[bytes] | int
) -> Iterator[GitStream]:
    """Start a command that reads a mirror; it is killed when the context ends before it does.

    Args:
        arguments: After ``git``.
        environment: All of it.
        stdin: A file, or ``subprocess.DEVNULL``. Never a pipe, so that nobody has to feed it.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [find_git(), *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=dict(environment),
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            yield GitStream(process, process.stdout, stderr)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _read_tail(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _STDERR_BYTES))
    return stderr.read().decode("utf-8", "replace")
