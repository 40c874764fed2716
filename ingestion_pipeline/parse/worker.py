"""What runs in a parse worker: files in, records out, one after another.

Started by ``worker_process`` in a fresh interpreter, so nothing of the parent is here: no threads,
no torch, no Dagster. Ends when the parent's end of a pipe closes, or by its own alarm when a file
takes too long: the kernel delivers it even while C code holds the interpreter, and even when the
parent is gone.
"""

import gc
import logging
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.parse.frames import FramesClosedError, read_frame, write_frame
from ingestion_pipeline.parse.limits import ParseLimits
from ingestion_pipeline.parse.results import ParsedFile, encode_result

Parse = Callable[[SourceFile, ParseLimits], FileFacts | SkippedFile]
Convert = Callable[[FileFacts], tuple[bytes, bytes]]

_logger = logging.getLogger(__name__)

READY = b"ready"
# The parser stops by itself at the limit, where tree-sitter calls back; the alarm is for when it
# does not, and for the steps after it.
ALARM_FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class Work:
    """What every file of a worker goes through.

    Args:
        parse: ``parse_file``, or a test's stand-in.
        convert: Turns facts into a record's two halves.
        limits: What one file may cost.
    """

    parse: Parse
    convert: Convert
    limits: ParseLimits


def run_worker(inbox: int, outbox: int) -> None:
    """Serve until the parent hangs up.

    Args:
        inbox: Descriptor of a pipe: first a pickled ``Work``, then lists of ``SourceFile``.
        outbox: Descriptor of a pipe: ``READY``, then one encoded result for every file, in
            order.
    """
    try:
        work: Work = pickle.loads(read_frame(inbox))  # noqa: S301 (from our own parent)
        # A parent may have left the alarm ignored or blocked, and that outlives its exec.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
        collect_garbage_seldom()
        _limit_memory(work.limits.max_memory_bytes)
        write_frame(outbox, READY)
        while True:
            for file in pickle.loads(read_frame(inbox)):  # noqa: S301
                write_frame(outbox, encode_result(_treat(file, work)))
    except FramesClosedError:
        return


def _treat(file: SourceFile, work: Work) -> ParsedFile | SkippedFile:
    signal.setitimer(signal.ITIMER_REAL, work.limits.timeout_seconds * ALARM_FACTOR)
    try:
        result = work.parse(file, work.limits)
        if isinstance(result, SkippedFile):
            return result
        return ParsedFile(file.path, file.blob_sha, *work.convert(result))
    except Exception as error:  # as in ``parse_file``: no content may stop a repository's sync
        _logger.warning("Skipped %s: its record failed", file.path, exc_info=True)
        reason = f"parser failed: {type(error).__name__}"
        return SkippedFile(file.path, file.blob_sha, reason)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def collect_garbage_seldom() -> None:
    """Spare a few percent: a file makes thousands of objects, and no cycles."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _limit_memory(max_bytes: int) -> None:
    """Make an allocation over the limit fail here instead of bringing the machine down."""
    if sys.platform != "linux":  # macOS takes the call and does not enforce it
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
