"""How long a failed repository waits for its next run."""

import zlib
from datetime import datetime, timedelta

from ingestion_pipeline.freshness.evidence import FailureStreak

FIRST_DELAY_SECONDS = 60.0
LONGEST_DELAY_SECONDS = 6 * 3600.0
# Up to a fifth less, so that what failed together does not come back together and the cap holds.
JITTER_SHARE = 0.2


def compute_delay_seconds(partition_key: str, failures: int) -> float:
    """Return the delay after the given number of failures in a row, in seconds.

    ``60 · 2^(n-1)``, at most six hours, less a share between 0 and 20 % that depends on the key
    and the count alone, so that every tick and every process computes the same time.

    Raises:
        ValueError: ``failures`` is below 1.
    """
    if failures < 1:
        raise ValueError("There is no delay before the first failure.")
    # Beyond 2^10 the cap has long been reached, and a float would overflow some day.
    delay = min(FIRST_DELAY_SECONDS * 2 ** min(failures - 1, 10), LONGEST_DELAY_SECONDS)
    share = zlib.crc32(f"{partition_key}#{failures}".encode()) / 2**32
    return delay * (1 - JITTER_SHARE * share)


def compute_next_try(partition_key: str, failures: FailureStreak) -> datetime | None:
    """Return when the repository may run again; None when it did not fail."""
    if not failures.count or failures.last_at is None:
        return None
    seconds = compute_delay_seconds(partition_key, failures.count)
    return failures.last_at + timedelta(seconds=seconds)
