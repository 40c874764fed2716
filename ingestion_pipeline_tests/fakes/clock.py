"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from ingestion_pipeline.core.clock import Clock

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


class FakeClock(Clock):
    """Tells the time it was given."""

    def __init__(self, now: datetime = START) -> None:
        if now.tzinfo is None:
            raise ValueError("Give the clock a timezone-aware time.")
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Move on and return the new time."""
        self._now += timedelta(seconds=seconds)
        return self._now
