"""How far a run is: told at least once a second, whatever the step is busy with."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INTERVAL_SECONDS = 0.5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a step is.

    Args:
        stage: ``clone``, ``parse``, ``embed`` or ``upsert``.
        done: Files done.
        total: Of how many; 0 while nobody knows.
        current: File at hand, or what is being done, "" for none.
    """

    stage: str
    done: int = 0
    total: int = 0
    current: str = ""


Listener = Callable[[Snapshot], None]


class Progress:
    """What a step says of itself; cheap enough to be called for every file.

    Args:
        stage: Name of the step.
    """

    def __init__(self, stage: str) -> None:
        self.snapshot = Snapshot(stage)

    def start(self, total: int, current: str = "") -> None:
        """Begin to count anew."""
        self.snapshot = Snapshot(self.snapshot.stage, 0, total, current)

    def advance(self, current: str, by: int = 1) -> None:
        """Note that some files more are done, and which is at hand."""
        now = self.snapshot
        self.snapshot = Snapshot(now.stage, now.done + by, now.total, current)


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
