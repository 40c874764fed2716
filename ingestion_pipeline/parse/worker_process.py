"""The parent's side of one parse worker: start it, feed it, time it, end it."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.parse.frames import FramesClosedError, read_frame, write_frame
from ingestion_pipeline.parse.results import ParsedFile, decode_result
from ingestion_pipeline.parse.worker import ALARM_FACTOR, READY, Work

# multiprocessing's ``spawn`` and ``forkserver`` run the parent's main module again, which is
# Dagster's with all it imports; forking a process with threads is unsafe.
_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; "
    "from ingestion_pipeline.parse.worker import run_worker; run_worker({inbox}, {outbox})"
)
_START_SECONDS = 120.0
# The worker's own alarm comes first; this one is for a worker that cannot be woken.
_PARENT_FACTOR = 2 * ALARM_FACTOR
_SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class WorkerStartError(RuntimeError):
    """A worker ended or hung before it could take any file, so no file is at fault."""


class WorkerDiedError(Exception):
    """The worker ended over a file."""


class WorkerProcess:
    """One worker in a fresh interpreter; used by one thread, killed by any. ``end`` it.

    Args:
        work: What it does; must be picklable, so its functions stand in modules.

    Raises:
        WorkerStartError: It did not come up.
    """

    def __init__(self, work: Work) -> None:
        child_inbox, self._outbox = os.pipe()
        self._inbox, child_outbox = os.pipe()
        program = _PROGRAM.format(path=sys.path, inbox=child_inbox, outbox=child_outbox)
        self._timeout_seconds = work.limits.timeout_seconds * _PARENT_FACTOR
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(child_inbox, child_outbox),
                process_group=0,  # Ctrl-C at the terminal is the parent's to answer
                env={**os.environ, **_SINGLE_THREADED},
            )
        except BaseException:
            os.close(self._inbox)
            os.close(self._outbox)
            raise
        finally:
            os.close(child_inbox)
            os.close(child_outbox)
        self._work = work

    def start(self) -> None:
        """Hand over the work and wait for the worker's word.

        Raises:
            WorkerStartError: It did not come up.
        """
        try:
            write_frame(self._outbox, pickle.dumps(self._work))
            is_ready = read_frame(self._inbox, _START_SECONDS) == READY
        except (FramesClosedError, TimeoutError):
            is_ready = False
        if not is_ready:
            self._process.kill()
            self._process.wait()
            raise WorkerStartError(
                f"A parse worker did not start (exit status {self._process.returncode}); what it "
                "wrote to stderr says why."
            )

    def send(self, files: Sequence[SourceFile]) -> None:
        """Give the worker files; ``receive`` returns one result for each, in order.

        Raises:
            WorkerDiedError: It is gone.
        """
        try:
            write_frame(self._outbox, pickle.dumps(list(files), pickle.HIGHEST_PROTOCOL))
        except FramesClosedError:
            raise WorkerDiedError from None

    def receive(self) -> ParsedFile | SkippedFile:
        """Return the next file's result.

        Raises:
            TimeoutError: The file took too long.
            WorkerDiedError: The worker ended over the file: a crash, or out of memory.
        """
        try:
            return decode_result(read_frame(self._inbox, self._timeout_seconds))
        except FramesClosedError:
            self._process.wait()
            if self._process.returncode == -signal.SIGALRM:
                raise TimeoutError from None
            raise WorkerDiedError from None
        except msgspec.DecodeError as error:  # its memory is no longer what it was
            raise WorkerDiedError from error

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def kill(self) -> None:
        """Kill the worker from any thread; the thread that uses it then finds it dead."""
        self._process.kill()

    def end(self) -> None:
        """Kill the worker and let go of it; nothing else may be called afterwards."""
        self._process.kill()
        self._process.wait()
        for descriptor in (self._inbox, self._outbox):
            os.close(descriptor)
