"""What the freshness sensor remembers between ticks."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ValidationError

from ingestion_pipeline.core.code_host import RateLimit


class _StoredLimit(BaseModel):
    remaining: int
    limit: int
    resets_at: AwareDatetime | None = None


class _Stored(BaseModel):
    started: str = ""
    rate_limit: _StoredLimit | None = None


@dataclass(frozen=True, slots=True)
class SensorCursor:
    """Where the rounds stand.

    Args:
        started: Last partition key a run was asked for.
        rate_limit: What the host said it had left; None where it has no limit.
    """

    started: str = ""
    rate_limit: RateLimit | None = None

    @classmethod
    def parse(cls, text: str | None) -> "SensorCursor":
        """Read a cursor; one of another version, or edited by hand, begins anew."""
        try:
            stored = _Stored.model_validate_json(text or "{}")
        except ValidationError:
            stored = _Stored()
        limit = stored.rate_limit
        known = RateLimit(limit.remaining, limit.limit, limit.resets_at) if limit else None
        return cls(stored.started, known)

    def format(self) -> str:
        """Return the cursor as Dagster stores it."""
        limit = self.rate_limit
        stored = _Stored(started=self.started)
        if limit is not None:
            stored.rate_limit = _StoredLimit(
                remaining=limit.remaining, limit=limit.limit, resets_at=limit.resets_at
            )
        return stored.model_dump_json()

    def remember(self, limit: RateLimit | None, now: datetime) -> RateLimit | None:
        """Return the newest limit that still holds: this check's, else the one before it."""
        if limit is not None:
            return limit
        before = self.rate_limit
        if before is None or before.resets_at is None or before.resets_at <= now:
            return None
        return before
