"""Waiting for other processes: always with a deadline, and with words for when it passes."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

# Two contended cores start a Dagster process in up to ten seconds.
PATIENCE_SECONDS = 90.0


def wait_for(look: Callable[[], _T | None], what: str, *, seconds: float = PATIENCE_SECONDS) -> _T:
    """Return the first answer that is neither None nor False.

    Raises:
        TimeoutError: None came in time; the message holds ``what``.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:g} s for {what}.")
        time.sleep(0.1)
