"""Sending what is due, and what becomes of what did not arrive."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.deliveries import Delivery, DeliveryStore
from ingestion_pipeline.core.errors import WebhookFailedError, WebhookUrlError
from ingestion_pipeline.notify.sender import Answer

# 9 tries over 18 hours, near to the schedule that Standard Webhooks recommends.
RETRY_DELAYS_SECONDS = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000)
LONGEST_RETRY_AFTER_SECONDS = 3600
# How long a claim holds: a try's 10 s, and what the system's resolver may take beyond them.
CLAIM_SECONDS = 120
_SEES_RETRY_AFTER = (429, 503)
_GONE = 410

_logger = logging.getLogger(__name__)

# A delivery and the time that is signed → the answer; WebhookFailedError, WebhookUrlError.
Send = Callable[[Delivery, datetime], Answer]


class Outcome(StrEnum):
    """What came of a try."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, as it was recorded.

    Args:
        delivery_id: The ``webhook-id``.
        host: Where to.
        outcome: What came of it.
        error: Why it failed, "" when it arrived.
        next_attempt_at: When it is tried again, None when it is not.
    """

    delivery_id: str
    host: str
    outcome: Outcome
    error: str = ""
    next_attempt_at: datetime | None = None


def deliver_due(
    store: DeliveryStore, send: Send, clock: Clock, *, limit: int = 100
) -> list[Attempt]:
    """Send the deliveries that are due, one after another, and record what came of each.

    Any number of threads and processes may do so at once; a delivery is tried by one of them at a
    time. At least once: when the process dies between sending and recording, or the store does not
    take the record, the claim lapses after ``CLAIM_SECONDS`` and the same ``webhook-id`` is sent
    again.

    Args:
        store: Where deliveries wait.
        send: ``WebhookSender.send``.
        clock: Says what is due, and is signed.
        limit: Most tries of this call.

    Returns:
        The tries, in order.

    Raises:
        TransientError: The store is busy. What was recorded stays recorded.
    """
    attempts: list[Attempt] = []
    while len(attempts) < limit:
        now = clock.now()
        # One at a time, so that a claim need not outlast the tries of others.
        claimed = store.claim_due(now, now + timedelta(seconds=CLAIM_SECONDS), 1)
        if not claimed:
            break
        attempts.append(_try_delivery(claimed[0], store, send, clock))
    return attempts


def _try_delivery(delivery: Delivery, store: DeliveryStore, send: Send, clock: Clock) -> Attempt:
    try:
        answer = send(delivery, clock.now())
        error = explain_answer(answer)
    except (WebhookFailedError, WebhookUrlError) as failure:
        answer, error = Answer(0), str(failure)
    at = clock.now()
    if error:
        next_at = plan_retry(delivery.attempts + 1, answer, at)
        store.record_failure(delivery.delivery_id, at, error, next_at)
        outcome = Outcome.WAITING if next_at else Outcome.DEAD
        attempt = Attempt(delivery.delivery_id, _read_host(delivery), outcome, error, next_at)
    else:
        store.record_delivered(delivery.delivery_id, at)
        attempt = Attempt(delivery.delivery_id, _read_host(delivery), Outcome.DELIVERED)
    _log(delivery, attempt)
    return attempt


def explain_answer(answer: Answer) -> str:
    """Return why an answer is a failure, "" when the receiver took the webhook."""
    if 200 <= answer.status < 300:
        return ""
    if 300 <= answer.status < 400:
        return f"It answered {answer.status}: redirects are not followed. Give the final address."
    if answer.status == _GONE:
        return "It answered 410: it wants no more of this."
    return f"It answered {answer.status}."


def plan_retry(failures: int, answer: Answer, at: datetime) -> datetime | None:
    """Return when a failed delivery is tried again; None when it never is.

    ``Retry-After`` says before when not to come, so it makes the delay longer and never shorter:
    a receiver that is down and says "a minute" each time would use up all tries in ten.

    Args:
        failures: Tries that failed, this one included.
        answer: What the receiver said; status 0 where it said nothing.
        at: When it failed.
    """
    if answer.status == _GONE or failures > len(RETRY_DELAYS_SECONDS):
        return None
    asked = _read_retry_after(answer, at) if answer.status in _SEES_RETRY_AFTER else 0.0
    bounded = min(asked, LONGEST_RETRY_AFTER_SECONDS)
    return at + timedelta(seconds=max(RETRY_DELAYS_SECONDS[failures - 1], bounded))


def _read_retry_after(answer: Answer, at: datetime) -> float:
    """Return seconds, 0 where the header is missing or says nothing that RFC 9110 knows."""
    text = answer.retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return (moment - at).total_seconds()


def _read_host(delivery: Delivery) -> str:
    try:
        return urlsplit(delivery.url).hostname or ""
    except ValueError:
        return ""  # such a URL fails in ``send``, which says so


def _log(delivery: Delivery, attempt: Attempt) -> None:
    # The host alone: paths and queries of webhooks hold secrets of their receivers.
    what = f"{delivery.event} of job {delivery.job_id} ({delivery.delivery_id}) to {attempt.host}"
    if attempt.outcome is Outcome.DELIVERED:
        _logger.info("Webhook %s arrived", what)
    elif attempt.outcome is Outcome.WAITING:
        _logger.warning("Webhook %s: %s Again %s", what, attempt.error, attempt.next_attempt_at)
    else:
        _logger.error("Webhook %s is given up: %s", what, attempt.error)
