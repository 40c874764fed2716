"""What the freshness sensor remembers between ticks."""

from dataclasses import dataclass

from pydantic import BaseModel, ValidationError


class _Stored(BaseModel):
    asked: str = ""
    started: str = ""


@dataclass(frozen=True, slots=True)
class SensorCursor:
    """Where the rounds stand.

    Args:
        asked: Last partition key the hosts were asked about; "" to begin at the first.
        started: Last partition key a run was asked for.
    """

    asked: str = ""
    started: str = ""

    @classmethod
    def parse(cls, text: str | None) -> "SensorCursor":
        """Read a cursor; one of another version, or edited by hand, begins anew."""
        try:
            stored = _Stored.model_validate_json(text or "{}")
        except ValidationError:
            stored = _Stored()
        return cls(stored.asked, stored.started)

    def format(self) -> str:
        """Return the cursor as Dagster stores it."""
        return _Stored(asked=self.asked, started=self.started).model_dump_json()
