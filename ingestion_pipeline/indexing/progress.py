"""How far a run is: told at least once a second, whatever the step is busy with."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

INTERVAL_SECONDS = 0.5
# Share of a first index that is over when a stage begins, and its own; see docs/benchmarks.md.
_STAGES = {"clone": (0, 5), "parse": (5, 30), "embed": (35, 20), "upsert": (55, 45)}

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a step is.

    Args:
        stage: ``clone``, ``parse``, ``embed`` or ``upsert``.
        done: Files done.
        total: Of how many; 0 while nobody knows.
        current: File at hand, or what is being done, "" for none.
        part: Which branch it is at, the first being 0.
        parts: Of how many.
    """

    stage: str
    done: int = 0
    total: int = 0
    current: str = ""
    part: int = 0
    parts: int = 1

    @property
    def percentage(self) -> int:
        """How much of the whole sync is done, 0 to 99."""
        begin, share = _STAGES[self.stage]
        done = min(self.done / self.total, 1) if self.total else 0
        return min(99, int(begin + share * (self.part + done) / self.parts))


Listener = Callable[[Snapshot], None]


class Progress:
    """What a step says of itself; cheap enough to be called for every file.

    Args:
        stage: Name of the step.
    """

    def __init__(self, stage: str) -> None:
        self.snapshot = Snapshot(stage)

    def share_among(self, branches: Sequence[_T]) -> Iterator[_T]:
        """Yield what the step does one after another, each an equal part of it."""
        for part, branch in enumerate(branches):
            self.snapshot = Snapshot(self.snapshot.stage, part=part, parts=len(branches))
            yield branch

    def start(self, total: int, current: str = "") -> None:
        """Begin to count the files of a part."""
        self.snapshot = replace(self.snapshot, done=0, total=total, current=current)

    def say(self, current: str) -> None:
        """Note what is being done when no file is at hand."""
        self.snapshot = replace(self.snapshot, current=current)

    def advance(self, current: str, by: int = 1) -> None:
        """Note that some files more are done, and which is at hand."""
        now = self.snapshot
        self.snapshot = replace(now, done=now.done + by, current=current)


@contextmanager
def tell_progress(
    stage: str, listeners: tuple[Listener, ...], interval_seconds: float = INTERVAL_SECONDS
) -> Iterator[Progress]:
    """Yield the progress of a step, and tell every listener of it at least once a second.

    A thread tells, so that a long call into C is no silence. A listener that fails is not asked
    again: the step is worth more than the news of it.
    """
    progress, ended = Progress(stage), threading.Event()

    def tell() -> None:
        remaining = list(listeners)
        while True:
            over = ended.wait(interval_seconds)
            for listener in tuple(remaining):
                if not _tell(listener, progress.snapshot):
                    remaining.remove(listener)
            if over:
                return

    teller = threading.Thread(target=tell, name=f"progress of {stage}", daemon=True)
    teller.start()
    try:
        yield progress
    finally:
        ended.set()
        teller.join()


def _tell(listener: Listener, snapshot: Snapshot) -> bool:
    try:
        listener(snapshot)
    except Exception:
        _logger.warning("Progress is not told any more to %r", listener, exc_info=True)
        return False
    return True
