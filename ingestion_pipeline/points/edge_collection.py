"""One collection of the embedded store in this process: its lock, and its shard while it is open.

Measured with Edge 0.9.0 on 2 cores, 20,000 points of 256 dimensions and 40 words: opening takes
0.18 s (it grows with the points; words and payload indexes are two thirds of it), closing 0.03 s,
an exact dense search 3 ms, a sparse one 0.3 ms. So the shard stays open between calls while nobody
else wants it, at most ``keep_open_seconds`` after the last call; a thread that looks every 50 ms
gives it up. Edge locks its write-ahead log while a shard is open, so even a reader cannot keep one
open without keeping others out.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import qdrant_edge

from ingestion_pipeline.core.errors import (
    IngestionError,
    PointStoreUnavailableError,
    StoreMismatchError,
)
from ingestion_pipeline.points.edge_folder import EdgeFolder
from ingestion_pipeline.points.edge_lock import POLL_SECONDS, EdgeLock

WATCH_SECONDS = 0.05
_NO_ROOM = "Not enough space available for optimization"
_logger = logging.getLogger(__name__)


class EdgeCollection:
    """Opens, keeps and closes the shard of one collection. Safe for threads, not across ``fork``.

    Args:
        folder: The store's folder.
        name: The collection.
        lock_timeout_seconds: How long to wait for another process.
        keep_open_seconds: How long the shard stays open after a call; 0 closes it at once.
    """

    def __init__(
        self, folder: EdgeFolder, name: str, lock_timeout_seconds: float, keep_open_seconds: float
    ) -> None:
        self._folder = folder
        self._name = name
        self._path = folder.locate(name)
        self._lock = EdgeLock(folder.locks, name)
        self._lock_timeout_seconds = lock_timeout_seconds
        self._keep_open_seconds = keep_open_seconds
        self._guard = threading.RLock()
        self._shard: qdrant_edge.EdgeShard | None = None
        self._used_at = 0.0
        self._has_stale_statistics = False
        self._watcher: threading.Thread | None = None

    @contextmanager
    def reading(self, *, exact_statistics: bool = False) -> Iterator[qdrant_edge.EdgeShard | None]:
        """Hold the open shard, None when the collection does not exist.

        Args:
            exact_statistics: Whether document frequencies must leave deleted points out. Edge 0.9.0
                counts them until the shard is opened again, so after a write it is; in a segment
                that is sealed, until the optimizer writes it anew.

        Raises:
            PointStoreUnavailableError: Another process kept the collection too long.
            StoreMismatchError: The shard cannot be opened.
        """
        if self._shard is None and not self._folder.exists(self._name):
            yield None
            return
        with self._guard:
            if exact_statistics and self._has_stale_statistics:
                self.close()
            with self._open_shard() as shard:
                yield shard

    @contextmanager
    def writing(self) -> Iterator[qdrant_edge.EdgeShard]:
        """Hold the open shard and make durable what was written to it.

        Edge logs every operation before it applies it and replays the log when the shard is opened,
        so what a killed process had written is whole; the flush adds safety from power cuts. The
        optimizer removes deleted points from the files once they are a fifth of at least 1,000
        (1 s for 20,000 points) and is a matter of microseconds otherwise.

        Raises:
            PointStoreUnavailableError: Another process kept the collection too long, or the disk
                refused.
            StoreMismatchError: The collection does not exist, cannot be opened, or has other
                vectors.
        """
        with self._guard, self._open_shard() as shard:
            if shard is None:
                raise StoreMismatchError(
                    f"Collection {self._name!r} does not exist. Create it before writing to it."
                )
            self._has_stale_statistics = True
            yield shard
            _optimize(self._name, shard)
            shard.flush()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock with the shard closed, to create or drop the collection."""
        with self._guard:
            self.close()
            self._lock.acquire(self._lock_timeout_seconds)
            try:
                yield
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the shard and give the lock up; nothing happens when it is not open."""
        with self._guard:
            shard, self._shard = self._shard, None
            if shard is not None:
                try:
                    shard.close()
                finally:
                    self._lock.release()

    @contextmanager
    def _open_shard(self) -> Iterator[qdrant_edge.EdgeShard | None]:
        if self._shard is None:
            self._load()
        try:
            yield self._shard
        except BaseException as error:
            # What the shard holds in memory is uncertain now; the next call reads it from disk.
            self.close()
            if type(error) is Exception:  # Edge's own; it raises the bare type
                raise _translate(self._name, error) from error
            raise
        self._used_at = time.monotonic()
        if self._keep_open_seconds <= 0 or self._lock.is_wanted:
            self.close()

    def _load(self) -> None:
        self._lock.acquire(self._lock_timeout_seconds)
        try:
            if self._folder.exists(self._name):
                self._folder.clear_leftovers(self._name)
                self._folder.require_space()
                self._shard = self._load_when_free()
                self._has_stale_statistics = False
        finally:
            if self._shard is None:
                self._lock.release()
        if self._shard is not None and self._keep_open_seconds > 0 and self._watcher is None:
            self._watcher = threading.Thread(
                target=self._watch, name=f"edge-{self._name}", daemon=True
            )
            self._watcher.start()

    def _load_when_free(self) -> qdrant_edge.EdgeShard:
        # A child process on its way from fork to exec holds a copy of the log's file descriptor,
        # and with it the log's own lock, for some milliseconds after we closed the shard.
        deadline = time.monotonic() + self._lock_timeout_seconds
        while True:
            try:
                return qdrant_edge.EdgeShard.load(str(self._path))
            except Exception as error:  # Edge raises nothing more specific
                if "WouldBlock" not in str(error):
                    raise StoreMismatchError(
                        f"Collection {self._name!r} of the embedded store cannot be opened: "
                        f"{error}. Move {self._path} away and materialize the repositories again."
                    ) from error
                if time.monotonic() >= deadline:
                    raise PointStoreUnavailableError(
                        f"The files of collection {self._name!r} are open in a process that does "
                        f"not use this project's lock. Find it with `fuser {self._path}/wal/*`."
                    ) from error
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            with self._guard:
                is_idle = time.monotonic() - self._used_at >= self._keep_open_seconds
                if self._shard is not None and (is_idle or self._lock.is_wanted):
                    self.close()
                if self._shard is None:
                    self._watcher = None
                    return


def _optimize(collection: str, shard: qdrant_edge.EdgeShard) -> None:
    """Seal what is large enough; what was written stands whether there is room for that or not.

    An error here would call a write failed that was done, and keep the deletions from a full disk
    that would make room on it.
    """
    try:
        shard.optimize()
    except Exception as error:  # Edge raises nothing more specific
        if _NO_ROOM not in str(error):
            raise
        _logger.warning(
            "Collection %r takes more memory than it need: %s. Free some space; the next write "
            "tries again.",
            collection,
            error,
        )


def _translate(collection: str, error: Exception) -> IngestionError:
    message = f"Collection {collection!r} of the embedded store: {error}."
    if "ector dimension error" in str(error) or "existing vector name" in str(error):
        return StoreMismatchError(f"{message} It was made for another encoder version.")
    return PointStoreUnavailableError(
        f"{message} Look for a full disk or damaged files, then try again."
    )
