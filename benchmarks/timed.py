"""A proxy that adds up the time spent in the calls to an object."""

import time
from collections import Counter
from typing import Any


class Timed:
    """Stands in for an object and clocks every call of its methods.

    Args:
        target: What does the work.
        label: What the time is booked under.
        seconds: Label → seconds, added to.
        nested: Attributes that are objects of their own to be clocked too.
    """

    def __init__(
        self, target: Any, label: str, seconds: Counter[str], nested: tuple[str, ...] = ()
    ) -> None:
        self._target = target
        self._label = label
        self._seconds: Counter[str] = seconds
        self._nested = nested

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name in self._nested:
            return Timed(value, self._label, self._seconds)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            try:
                return value(*arguments, **options)
            finally:
                self._seconds[self._label] += time.perf_counter() - begin  # pyright: ignore[reportArgumentType]

        return call
