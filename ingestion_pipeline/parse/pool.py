"""Parsing in worker processes: py-tree-sitter holds the interpreter lock while it parses.

Each worker has a thread here that hands it files in chunks and waits for its results. The results
come one file at a time and in order, so that the file at fault is known when a worker hangs or
dies: the first one without a result. That is why this is no ``pebble`` or ``concurrent.futures``
pool: there a task is what is timed and lost, and one task a file costs more than parsing it.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.limits import DEFAULT_LIMITS, ParseLimits
from ingestion_pipeline.parse.results import ParsedFile
from ingestion_pipeline.parse.worker import Convert, Parse, Work
from ingestion_pipeline.parse.worker_process import WorkerDiedError, WorkerProcess

Result = ParsedFile | SkippedFile

# About 0.1 s of work: far more than a chunk's way to a worker, and the cores end at about the same
# time. At most three chunks a worker are read ahead.
CHUNK_BYTES = 128 << 10
CHUNK_FILES = 100
_CHUNKS_PER_WORKER = 2
_RESULTS_AHEAD = 500


class ParsePool(AbstractContextManager["ParsePool"]):
    """A number of workers; use it in a ``with`` block, from one thread.

    Args:
        worker_count: At most so many processes; a further one starts when work waits for it.
        convert: Turns the facts into a record's two halves, in the worker; a function of a module.
        limits: What one file may cost.
        parse: A stand-in for ``parse_file``.
    """

    def __init__(
        self,
        worker_count: int,
        convert: Convert,
        limits: ParseLimits = DEFAULT_LIMITS,
        parse: Parse = parse_file,
    ) -> None:
        if worker_count < 1:
            raise ValueError(f"A pool has at least one worker, not {worker_count}.")
        self._worker_count = worker_count
        self._work = Work(parse, convert, limits)
        self._chunks: queue.SimpleQueue[Sequence[SourceFile] | None] = queue.SimpleQueue()
        self._results: queue.Queue[Result | Exception | None] = queue.Queue(_RESULTS_AHEAD)
        self._lanes: list[_Lane] = []
        self._is_broken = False

    def warm_up(self) -> None:
        """Start the first worker now, so that it is up when the first file comes."""
        if not self._lanes:
            self._add_lane()

    def parse(self, files: Iterable[SourceFile]) -> Iterator[Result]:
        """Yield one result for each file, in no particular order, as they come.

        ``files`` is read in this thread, a few chunks ahead of the results. Not to be called again
        before the iterator is at its end.

        Raises:
            WorkerStartError: No worker can be started.
        """
        self._check_usable()
        self.warm_up()
        chunks = _cut_chunks(files)
        waiting = 0
        self._is_broken = True  # until all results of this call are taken
        while True:
            while waiting < _CHUNKS_PER_WORKER * self._worker_count:
                chunk = next(chunks, None)
                if chunk is None:
                    break
                waiting += 1
                self._chunks.put(chunk)
                if self._is_short_of_workers(waiting):
                    self._add_lane()
            if not waiting:
                break
            result = self._results.get()
            if isinstance(result, Exception):
                raise result
            if result is None:
                waiting -= 1
            else:
                yield result
        self._is_broken = False

    def close(self) -> None:
        """Kill the workers; one that is in the middle of a file is not waited for."""
        self._is_broken = True
        for lane in self._lanes:
            lane.stop()
            self._chunks.put(None)
        while any(lane.is_alive() for lane in self._lanes):
            try:  # a lane may wait for room to put its result
                self._results.get(timeout=0.05)
            except queue.Empty:
                continue
        self._lanes.clear()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_usable(self) -> None:
        if self._is_broken:
            raise RuntimeError("The pool was closed, or left in the middle; make a new one.")

    def _is_short_of_workers(self, waiting: int) -> bool:
        """Whether the work that waits is worth another start, about 0.2 s of a core."""
        lanes = len(self._lanes)
        return lanes < self._worker_count and waiting > _CHUNKS_PER_WORKER * lanes

    def _add_lane(self) -> None:
        lane = _Lane(self._work, self._chunks, self._results)
        lane.start()
        self._lanes.append(lane)


def _cut_chunks(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    chunk: list[SourceFile] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += len(file.content)
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Lane(threading.Thread):
    """One worker after another, and the thread that waits for it.

    Puts each file's result, and None after a chunk's last; or the error that ended it.
    """

    def __init__(
        self,
        work: Work,
        chunks: "queue.SimpleQueue[Sequence[SourceFile] | None]",
        results: "queue.Queue[Result | Exception | None]",
    ) -> None:
        super().__init__(name="parse-worker", daemon=True)
        self._work = work
        self._chunks = chunks
        self._results = results
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._must_end = False

    def run(self) -> None:
        """Take chunks until there is a None among them."""
        try:
            self._get_worker()
            while (chunk := self._chunks.get()) is not None and not self._must_end:
                self._treat(deque(chunk))
                self._results.put(None)
        except Exception as error:  # noqa: BLE001 (raised in the thread that parses)
            if not self._must_end:
                self._results.put(error)
        finally:
            self._drop_worker()

    def stop(self) -> None:
        """Let the thread end at once; called from another one."""
        with self._lock:
            self._must_end = True
            if self._worker is not None:
                self._worker.kill()

    def _treat(self, files: deque[SourceFile]) -> None:
        """Put a result for every file; a worker that is lost over one is replaced."""
        lost_twice: SourceFile | None = None
        while files and not self._must_end:
            try:
                for result in self._exchange(files):
                    self._results.put(result)
                    files.popleft()
            except TimeoutError:
                self._drop_worker()
                self._results.put(_fail(files.popleft(), "TimeoutError"))
            except WorkerDiedError:
                self._drop_worker()
                # Alone in a fresh worker it is tried once more: what the files before it left
                # behind, or the machine's memory, may have been at fault.
                if files[0] is lost_twice:
                    self._results.put(_fail(files.popleft(), "WorkerDied"))
                else:
                    lost_twice = files[0]

    def _exchange(self, files: deque[SourceFile]) -> Iterator[Result]:
        worker = self._get_worker()
        worker.send(files)
        for _ in range(len(files)):
            yield worker.receive()

    def _get_worker(self) -> WorkerProcess:
        with self._lock:
            if self._worker is not None:
                return self._worker
            self._worker = WorkerProcess(self._work)
            if self._must_end:
                self._worker.kill()
        self._worker.start()
        return self._worker

    def _drop_worker(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


def _fail(file: SourceFile, name: str) -> SkippedFile:
    return SkippedFile(file.path, file.blob_sha, f"parser failed: {name}")
