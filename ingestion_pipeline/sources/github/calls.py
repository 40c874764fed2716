"""Many calls, a few at a time, under one deadline."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ingestion_pipeline.core.errors import (
    AuthenticationError,
    HostUnavailableError,
    IngestionError,
    RateLimitedError,
)

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

# GitHub counts concurrent requests towards its secondary limits (100 at most); a few are enough
# to hide the latency.
CONCURRENT_CALLS = 4


@dataclass
class Outcome(Generic[JobT, ResultT]):
    """What became of the calls.

    Args:
        results: Job and result of each call that succeeded.
        errors: Each distinct reason why others did not, in the order met.
        outages: How many calls ended in ``HostUnavailableError``.
    """

    results: list[tuple[JobT, ResultT]] = field(default_factory=list[tuple[JobT, ResultT]])
    errors: list[Exception] = field(default_factory=list[Exception])
    outages: int = 0

    def add_error(self, error: Exception) -> None:
        """Count an error, and keep it unless one with the same words is there."""
        self.outages += isinstance(error, HostUnavailableError)
        if str(error) not in {str(known) for known in self.errors}:
            self.errors.append(error)


def run_calls(
    jobs: Sequence[JobT],
    call: Callable[[JobT], ResultT],
    *,
    deadline_seconds: float,
    stop_on: tuple[type[Exception], ...] = (),
) -> Outcome[JobT, ResultT]:
    """Run ``call`` on every job, at most ``CONCURRENT_CALLS`` at once.

    One failure leaves the others alone, unless it concerns them all: a rate limit, a refused token,
    a kind in ``stop_on``, or as many outages as run at once without a single success. No further
    call begins then. Calls still under way at the deadline are left to their own time limit.

    Args:
        jobs: One argument of ``call`` each.
        call: Raises ``IngestionError`` or a kind in ``stop_on``; anything else is a bug and passes
            through.
        deadline_seconds: For all of it.
        stop_on: Further errors that end it.
    """
    outcome: Outcome[JobT, ResultT] = Outcome()
    final_errors = (RateLimitedError, AuthenticationError, *stop_on)
    waiting = list(reversed(jobs))
    running: dict[Future[ResultT], JobT] = {}
    ends_at = time.monotonic() + deadline_seconds
    executor = ThreadPoolExecutor(CONCURRENT_CALLS, thread_name_prefix="github")
    try:
        while waiting or running:
            while waiting and len(running) < CONCURRENT_CALLS:
                job = waiting.pop()
                running[executor.submit(call, job)] = job
            done, _ = wait(running, max(0, ends_at - time.monotonic()), FIRST_COMPLETED)
            if not done:
                outcome.add_error(_make_deadline_error(deadline_seconds))
                break
            for future in done:
                _collect(future, running.pop(future), outcome, stop_on)
            if _concerns_all(outcome, final_errors):
                waiting.clear()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    return outcome


def _collect(
    future: Future[ResultT],
    job: JobT,
    outcome: Outcome[JobT, ResultT],
    stop_on: tuple[type[Exception], ...],
) -> None:
    try:
        outcome.results.append((job, future.result()))
    except (IngestionError, *stop_on) as error:
        outcome.add_error(error)


def _concerns_all(
    outcome: Outcome[JobT, ResultT], final_errors: tuple[type[Exception], ...]
) -> bool:
    is_outage = outcome.outages >= CONCURRENT_CALLS and not outcome.results
    return is_outage or any(isinstance(error, final_errors) for error in outcome.errors)


def _make_deadline_error(deadline_seconds: float) -> HostUnavailableError:
    return HostUnavailableError(
        f"GitHub did not answer everything within {deadline_seconds:g} s; the rest is asked for "
        "next time."
    )
