"""Memory of all processes that a block starts, sampled from outside while it runs."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SAMPLE_SECONDS = 0.2
_MEBIBYTE = 1024 * 1024
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of the processes at one moment.

    Args:
        at: Seconds since the epoch.
        resident_mib: Pages in memory, added up over the processes; a page that two of them share
            counts twice, so the truth is below.
        anonymous_mib: Of them, those that no file stands behind: the kernel cannot drop them.
        processes: How many.
    """

    at: float
    resident_mib: float
    anonymous_mib: float
    processes: int


_NOTHING = Sample(0.0, 0.0, 0.0, 0)


@dataclass(slots=True)
class MemoryWatch:
    """Samples, filled while the block runs."""

    samples: list[Sample] = field(default_factory=list[Sample])

    def peak(self) -> Sample:
        """Return the sample with the most resident memory."""
        return max(self.samples, key=lambda sample: sample.resident_mib, default=_NOTHING)

    def peak_anonymous_mib(self) -> float:
        """Return the most anonymous memory of any sample."""
        return max((sample.anonymous_mib for sample in self.samples), default=0.0)

    def peak_in(self, span: tuple[float, float]) -> Sample:
        """Return the largest sample between two moments."""
        begin, end = span
        return MemoryWatch([s for s in self.samples if begin <= s.at <= end]).peak()


@contextmanager
def watch_memory() -> Iterator[MemoryWatch]:
    """Sample the descendants of this process until the block ends.

    Raises:
        RuntimeError: This system has no ``/proc`` that tells.
    """
    if not (_PROC / "self" / "status").exists():
        raise RuntimeError("Memory is sampled from /proc, which only Linux has.")
    watch, stop = MemoryWatch(), threading.Event()

    def sample() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            watch.samples.append(_take_sample())

    thread = threading.Thread(target=sample, name="memory-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def _take_sample() -> Sample:
    """Add up the descendants; one that ends meanwhile counts for nothing."""
    pids = _list_descendants(os.getpid(), _read_parents())
    found = [memory for pid in pids if (memory := _read_memory(pid)) is not None]
    resident, anonymous = (sum(part) / _MEBIBYTE for part in zip((0, 0), *found, strict=True))
    return Sample(time.time(), resident, anonymous, len(found))


def _list_descendants(root: int, parents: Mapping[int, int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], list(children.get(root, []))
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _read_parents() -> dict[int, int]:
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue  # it has just ended
            parents[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    return parents


def _read_memory(pid: int) -> tuple[int, int] | None:
    """Return resident and anonymous bytes; None for a process that has ended."""
    try:
        text = (_PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return None
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if "VmRSS" not in rows:
        return None
    resident, anonymous = (int(rows[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))
    return resident, anonymous
