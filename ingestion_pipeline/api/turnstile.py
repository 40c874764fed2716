"""Keeping slow requests from taking every thread: those that only look must be answered still."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ingestion_pipeline.core.errors import TransientError

# Of the 40 threads that answer requests.
SLOW_AT_ONCE = 8


class BusyError(TransientError):
    """As many requests of this kind are being answered as may be."""


class Turnstile:
    """Lets so many in at a time and sends the others away at once.

    Args:
        most: How many.
    """

    def __init__(self, most: int = SLOW_AT_ONCE) -> None:
        self._places = threading.BoundedSemaphore(most)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Hold a place for as long as the context lasts.

        Raises:
            BusyError: There is none.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("Too many requests of this kind at once.")
        try:
            yield
        finally:
            self._places.release()
