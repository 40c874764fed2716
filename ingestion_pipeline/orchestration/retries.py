"""Which errors Dagster tries again.

A ``RetryPolicy`` would turn a cancellation into a retry (dagster issue 15026), so ops ask for a
retry themselves, and only where waiting can help. Waits are short: a cancel waits for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ingestion_pipeline.core.errors import PermanentError, RateLimitedError, TransientError

MAX_RETRIES = 3
FIRST_WAIT_SECONDS = 2.0


@contextmanager
def dagster_errors(context: dg.OpExecutionContext) -> Iterator[None]:
    """Turn this project's errors into Dagster's words for them.

    Raises:
        dagster.RetryRequested: The error is transient and the wait is short.
        dagster.Failure: A person has to act, or the wait is for the next sensor tick to take.
    """
    try:
        yield
    except RateLimitedError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except TransientError as error:
        wait_seconds = FIRST_WAIT_SECONDS * 2**context.retry_number
        context.log.warning(f"{error} (attempt {context.retry_number + 1})")
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait_seconds) from error
    except PermanentError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
