"""What an answer of GitHub means: which of our errors a status stands for.

Statuses and headers as in https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
and .../troubleshooting-the-rest-api (API version 2022-11-28).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion_pipeline.core.clock import Clock, format_utc
from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.errors import (
    AuthenticationError,
    HostUnavailableError,
    IngestionError,
    RateLimitedError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
)

# GitHub asks for at least this long after a secondary limit that came without a header.
SECONDARY_LIMIT_WAIT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    Args:
        status: HTTP status.
        headers: Names in lower case.
        text: Body.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: str = field(repr=False)

    def read_object(self) -> dict[str, Any]:
        """Return the JSON object in the body; empty when there is none."""
        try:
            content = json.loads(self.text)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def message(self) -> str:
        """GitHub's own sentence, shortened; "" when it gave none."""
        message = self.read_object().get("message")
        return message[:300] if isinstance(message, str) else ""


def make_error(answer: Answer, subject: str, clock: Clock) -> IngestionError | None:
    """Return the error that this answer stands for, None for 2xx and 304.

    Args:
        answer: What GitHub said.
        subject: The repository asked for, for the message.
        clock: To turn ``Retry-After`` into a moment.
    """
    status = answer.status
    if 200 <= status < 300 or status == 304:
        return None
    if is_rate_limited(answer):
        return make_rate_limit_error(answer, clock)
    if status == 401:
        return AuthenticationError(
            "GitHub wants a valid token: INGESTION_GITHUB_TOKEN is missing, wrong or expired. Set "
            "a new one, or unset it to read public repositories of github.com only."
        )
    if status in {403, 404, 410, 451}:
        return _make_repository_error(answer, subject)
    return HostUnavailableError(
        f"GitHub answered {status} for {subject}{_quote(answer.message)}. Try again later; "
        "https://www.githubstatus.com shows known outages."
    )


def is_rate_limited(answer: Answer) -> bool:
    """Return whether a refusal is a primary or secondary rate limit, not a lack of rights."""
    if answer.status == 429:
        return True
    if answer.status != 403:
        return False
    return (
        answer.headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in answer.headers
        or "rate limit" in answer.message.lower()
    )


def make_rate_limit_error(answer: Answer, clock: Clock) -> RateLimitedError:
    """Return the error with the moment from which GitHub may be asked again."""
    resets_at = _read_retry_after(answer, clock)
    if resets_at is None and answer.headers.get("x-ratelimit-remaining") == "0":
        resets_at = _read_reset(answer.headers)
    resets_at = resets_at or clock.now() + SECONDARY_LIMIT_WAIT
    return RateLimitedError(
        f"GitHub's rate limit is used up until {format_utc(resets_at)}. Wait, or set "
        "INGESTION_GITHUB_TOKEN: a token has 5,000 requests an hour, none has 60.",
        resets_at,
    )


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Return the allowance that the headers show, None where there is none."""
    try:
        remaining = int(headers["x-ratelimit-remaining"])
        limit = int(headers["x-ratelimit-limit"])
    except (KeyError, ValueError):
        return None
    return RateLimit(remaining, limit, _read_reset(headers))


def _read_retry_after(answer: Answer, clock: Clock) -> datetime | None:
    value = answer.headers.get("retry-after", "")
    return clock.now() + timedelta(seconds=int(value)) if value.isdigit() else None


def _read_reset(headers: Mapping[str, str]) -> datetime | None:
    value = headers.get("x-ratelimit-reset", "")
    return datetime.fromtimestamp(int(value), UTC) if value.isdigit() else None


def _make_repository_error(answer: Answer, subject: str) -> IngestionError:
    block = answer.read_object().get("block")
    if answer.status == 451 or isinstance(block, dict):
        reason = block.get("reason", "legal") if isinstance(block, dict) else "legal"
        return RepositoryBlockedError(
            f"GitHub blocks access to {subject} (reason: {reason}). Untrack it; only its owner can "
            "have the block lifted."
        )
    if answer.status == 403:
        return RepositoryForbiddenError(
            f"The token may not read {subject}{_quote(answer.message)}. Give it read access to "
            "contents and metadata (and single sign-on, where the organisation asks for it), or "
            "set another INGESTION_GITHUB_TOKEN."
        )
    return RepositoryNotFoundError(
        f"{subject} does not exist or is private: check the spelling, or set "
        "INGESTION_GITHUB_TOKEN to a token that may read it."
    )


def _quote(message: str) -> str:
    return f" ({message})" if message else ""
