"""The lock between processes that share one embedded collection.

A shard of Qdrant Edge may be open in one process at a time. Two file locks make the waiting fair:
whoever wants the collection first takes ``queue`` and keeps it while waiting for ``lock``. A
process that gives the collection up and wants it back stands behind the one that already waits, and
the holder sees that somebody waits because ``queue`` is taken. The kernel drops both locks with
their process, however it ends.
"""

import json
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import ConfigurationError, PointStoreUnavailableError

POLL_SECONDS = 0.02


class EdgeLock:
    """Exclusive use of one collection among all processes of this machine.

    Not for use by two threads at once; ``EdgeCollection`` sees to that.

    Args:
        folder: Where the lock files live; created when first needed.
        collection: Name of the collection.
    """

    def __init__(self, folder: Path, collection: str) -> None:
        self._folder = folder
        self._collection = collection
        self._holder_note = folder / f"{collection}.holder.json"
        # thread_local=False: an idle collection is given up by another thread than took it.
        self._queue = FileLock(folder / f"{collection}.queue", thread_local=False)
        self._lock = FileLock(folder / f"{collection}.lock", thread_local=False)

    def acquire(self, timeout_seconds: float) -> None:
        """Wait for the collection.

        Raises:
            PointStoreUnavailableError: It was in use for the whole of ``timeout_seconds``.
            ConfigurationError: The folder cannot be written.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._queue.acquire(timeout=timeout_seconds, poll_interval=POLL_SECONDS):
                left = max(0.0, deadline - time.monotonic())
                self._lock.acquire(timeout=left, poll_interval=POLL_SECONDS)
            self._note_holder()
        except Timeout:
            raise PointStoreUnavailableError(self._explain(timeout_seconds)) from None
        except OSError as error:
            self._lock.release(force=True)
            raise ConfigurationError(
                f"The embedded point store cannot write to {self._folder}: {error.strerror}. "
                "Make the data folder writable for this user."
            ) from error

    def release(self) -> None:
        """Give the collection up."""
        self._lock.release()

    @property
    def is_wanted(self) -> bool:
        """Whether another process, or another store of this one, waits for the collection."""
        try:
            self._queue.acquire(blocking=False)
        except Timeout:
            return True
        self._queue.release()
        return False

    def _note_holder(self) -> None:
        note = {
            "pid": os.getpid(),
            "program": Path(sys.argv[0] or "python").name,
            "host": socket.gethostname(),
            "since": format_utc(datetime.now(UTC)),
        }
        self._holder_note.write_text(json.dumps(note), encoding="utf-8")

    def _explain(self, waited_seconds: float) -> str:
        return (
            f"Collection {self._collection!r} of the embedded point store is in use by "
            f"{self._describe_holder()}. Waited {waited_seconds:g} s. Let that process finish or "
            "end it, then try again; many runs at once are better served by a Qdrant server."
        )

    def _describe_holder(self) -> str:
        try:
            note = json.loads(self._holder_note.read_text(encoding="utf-8"))
            return (
                f"process {note['pid']} ({note['program']}) on {note['host']} since {note['since']}"
            )
        except (OSError, ValueError, KeyError):  # being rewritten right now
            return f"another process (see {self._holder_note})"
