"""Webhooks to be sent, and the port of the store that remembers them until they arrived."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event of a job, on its way to the address that the job's caller gave.

    It waits while ``next_attempt_at`` is set; otherwise it was delivered or is a dead letter.

    Args:
        delivery_id: The ``webhook-id``, the same for every try.
        job_id: Which job.
        url: Where to; may hold secrets of the receiver's, so it is never logged whole.
        event: What happened, for example ``sync.completed``.
        body: JSON, sent and signed exactly as it stands here.
        created_at: When it was added.
        attempts: Tries that were recorded, since it was last revived.
        next_attempt_at: Not before this time; None once delivered or dead.
        delivered_at: When the receiver took it.
        dead_at: When the last try failed.
        last_error: Why the newest try failed, "" when none did.
    """

    delivery_id: str
    job_id: str
    url: str
    event: str
    body: str
    created_at: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    dead_at: datetime | None = None
    last_error: str = ""


class DeliveryStore(ABC):
    """Remembers webhooks until they arrived, and afterwards.

    Every method is one transaction. Times go in and come out timezone-aware.
    """

    @abstractmethod
    def add_delivery(self, delivery: Delivery) -> None:
        """Store it as it is; an id that is there already changes nothing."""

    @abstractmethod
    def claim_due(self, now: datetime, until: datetime, limit: int) -> list[Delivery]:
        """Take deliveries that are due, those that have waited longest first.

        Their ``next_attempt_at`` becomes ``until`` in the same transaction, so nobody else takes
        them before then, and a sender that died loses nothing but that time.

        Returns:
            At most ``limit``, as they are stored now.
        """

    @abstractmethod
    def record_delivered(self, delivery_id: str, at: datetime) -> None:
        """Count a try that arrived; this is the end of it, also for a dead letter."""

    @abstractmethod
    def record_failure(
        self, delivery_id: str, at: datetime, error: str, next_attempt_at: datetime | None
    ) -> None:
        """Count a try that failed; nothing happens if another sender ended it meanwhile.

        Args:
            delivery_id: Which one.
            at: When it failed.
            error: Why, without secrets.
            next_attempt_at: When to try again; None makes it a dead letter.
        """

    @abstractmethod
    def list_deliveries(
        self, *, dead: bool = False, job_id: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Return the newest first.

        Args:
            dead: Only dead letters.
            job_id: Only those of this job.
            limit: At most so many.
        """

    @abstractmethod
    def revive(self, delivery_id: str, at: datetime) -> bool:
        """Make a dead letter due at ``at``, with all its tries before it again.

        Returns:
            Whether there was such a dead letter; otherwise nothing was changed.
        """
