"""The delivery store port in memory; every method holds one lock, as a transaction would."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ingestion_pipeline.core.deliveries import Delivery, DeliveryStore


class FakeDeliveryStore(DeliveryStore):
    """Starts with what the constructor is given; ``list_deliveries`` shows the rest."""

    def __init__(self, deliveries: Iterable[Delivery] = ()) -> None:
        self._mutex = threading.RLock()
        self._rows = {row.delivery_id: row for row in deliveries}

    def add_delivery(self, delivery: Delivery) -> None:
        moments = (delivery.next_attempt_at, delivery.delivered_at, delivery.dead_at)
        _require_aware(delivery.created_at, *moments)
        with self._mutex:
            self._rows.setdefault(delivery.delivery_id, delivery)

    def claim_due(self, now: datetime, until: datetime, limit: int) -> list[Delivery]:
        _require_aware(now, until)
        with self._mutex:
            waiting = [
                (row.next_attempt_at, row.delivery_id)
                for row in self._rows.values()
                if row.next_attempt_at is not None and row.next_attempt_at <= now
            ]
            ids = [delivery_id for _, delivery_id in sorted(waiting)[:limit]]
            return [self._change(delivery_id, next_attempt_at=until) for delivery_id in ids]

    def record_delivered(self, delivery_id: str, at: datetime) -> None:
        _require_aware(at)
        with self._mutex:
            row = self._rows.get(delivery_id)
            if row is not None and row.delivered_at is None:
                ended = {"next_attempt_at": None, "delivered_at": at, "dead_at": None}
                self._change(delivery_id, attempts=row.attempts + 1, last_error="", **ended)

    def record_failure(
        self, delivery_id: str, at: datetime, error: str, next_attempt_at: datetime | None
    ) -> None:
        _require_aware(at, next_attempt_at)
        with self._mutex:
            row = self._rows.get(delivery_id)
            if row is not None and row.next_attempt_at is not None:
                self._change(
                    delivery_id,
                    attempts=row.attempts + 1,
                    next_attempt_at=next_attempt_at,
                    dead_at=at if next_attempt_at is None else None,
                    last_error=error,
                )

    def list_deliveries(
        self, *, dead: bool = False, job_id: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        with self._mutex:
            rows = sorted(self._rows.values(), key=lambda row: row.delivery_id)
        rows.sort(key=lambda row: row.created_at, reverse=True)
        return [
            row
            for row in rows
            if (row.dead_at is not None or not dead) and job_id in (None, row.job_id)
        ][:limit]

    def revive(self, delivery_id: str, at: datetime) -> bool:
        _require_aware(at)
        with self._mutex:
            row = self._rows.get(delivery_id)
            if row is None or row.dead_at is None:
                return False
            self._change(delivery_id, attempts=0, next_attempt_at=at, dead_at=None)
            return True

    def _change(self, delivery_id: str, **changes: Any) -> Delivery:
        self._rows[delivery_id] = replace(self._rows[delivery_id], **changes)
        return self._rows[delivery_id]


def _require_aware(*moments: datetime | None) -> None:
    if any(moment is not None and moment.tzinfo is None for moment in moments):
        raise ValueError("The delivery store takes timezone-aware times only.")
