"""What a Qdrant server's refusals mean: which are worth another try, and which error a person gets.

Tried again: time-outs, broken connections, 429 (after the time the server asks for) and 5xx. Every
call of the adapter may be repeated, because upserts and deletes by id or filter are idempotent. All
other answers are raised at once. The API key travels as a request header; httpx errors carry their
request, so no error of httpx is ever chained to ours.
"""

import json
from collections.abc import Callable
from typing import TypeVar

import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_random_exponential

from ingestion_pipeline.core.errors import (
    AuthenticationError,
    ConfigurationError,
    PermanentError,
    PointStoreUnavailableError,
    StoreMismatchError,
)

_T = TypeVar("_T")

ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 30.0
# A server that asks for more than this is not waited for within one call.
LONGEST_RETRY_AFTER_SECONDS = 120.0
_MESSAGE_CHARACTERS = 500

# Full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/):
# up to 1, 2, 4, 8, 16 s, so that many runs do not come back at the same moment.
DEFAULT_WAIT = wait_random_exponential(multiplier=1, max=LONGEST_WAIT_SECONDS)


class MissingCollectionError(Exception):
    """The server says that the collection does not exist; never leaves the adapter."""


class RetryingCaller:
    """Calls the client, tries again where that can help, and translates what remains.

    Args:
        address: The server's URL, for messages.
        attempts: Most tries of one call.
        wait: Tenacity's wait between tries; the server's ``Retry-After`` goes before it.
        sleep: How to wait; tests pass one that does not.
    """

    def __init__(
        self,
        address: str,
        attempts: int,
        wait: wait_base,
        sleep: Callable[[float], None],
    ) -> None:
        self._address = address
        self._attempts = attempts
        self._wait = wait
        self._sleep = sleep

    def call(self, function: Callable[[], _T]) -> _T:
        """Return what ``function`` returns.

        Raises:
            MissingCollectionError: The collection does not exist.
            PointStoreUnavailableError: No usable answer after all attempts.
            AuthenticationError: 401 or 403.
            StoreMismatchError: The points do not fit the collection's vectors.
            ConfigurationError: What answers is no Qdrant.
            PermanentError: Any other refusal.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_worth_retrying),
            stop=stop_after_attempt(self._attempts),
            wait=self._choose_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(function)
        except (ResponseHandlingException, UnexpectedResponse, QdrantException) as error:
            translated = self._translate(error)
        except json.JSONDecodeError:
            translated = self._translate_stranger("a body that is no JSON")
        except ValueError as error:  # qdrant-client's local mode raises nothing else
            translated = _translate_local(error)
        raise translated

    def _choose_wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ResourceExhaustedResponse):
            return min(float(error.retry_after_s), LONGEST_RETRY_AFTER_SECONDS)
        return self._wait(state)

    def _translate(self, error: Exception) -> Exception:
        if is_worth_retrying(error):
            return PointStoreUnavailableError(
                f"Qdrant at {self._address} gave no usable answer in {self._attempts} attempts: "
                f"{_describe(error)}. Look whether it runs and has room; the next run goes on here."
            )
        if isinstance(error, UnexpectedResponse):
            return self._translate_response(error)
        return self._translate_stranger(_describe(error))

    def _translate_response(self, error: UnexpectedResponse) -> Exception:
        message = _read_message(error)
        if error.status_code in {401, 403}:
            return AuthenticationError(
                f"Qdrant at {self._address} refused the API key ({error.status_code}). Set "
                "INGESTION_QDRANT_API_KEY to a key that may read and write the collections."
            )
        if message is None:
            return self._translate_stranger(f"{error.status_code} without Qdrant's error message")
        if error.status_code == 404:
            return MissingCollectionError(message)
        if _is_about_vectors(message):
            return StoreMismatchError(f"Qdrant at {self._address}: {message}")
        return PermanentError(
            f"Qdrant at {self._address} refused the request ({error.status_code}): {message}"
        )

    def _translate_stranger(self, symptom: str) -> Exception:
        return ConfigurationError(
            f"What answers at {self._address} does not speak Qdrant's API ({symptom}). Check "
            "INGESTION_QDRANT_URL, a proxy's path included."
        )


def is_worth_retrying(error: BaseException) -> bool:
    """Return whether the same call may succeed a little later."""
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TransportError)
    if isinstance(error, UnexpectedResponse):
        return error.status_code == 429 or (error.status_code or 0) >= 500
    # QdrantException: a 429 with a Retry-After, in seconds or in a form the client cannot read.
    return isinstance(error, QdrantException)


def _describe(error: Exception) -> str:
    if isinstance(error, ResponseHandlingException):
        return f"{type(error.source).__name__}: {error.source}"[:_MESSAGE_CHARACTERS]
    if isinstance(error, UnexpectedResponse):
        return f"status {error.status_code}, {_read_message(error) or error.reason_phrase}"
    return f"{error}"[:_MESSAGE_CHARACTERS]


def _read_message(error: UnexpectedResponse) -> str | None:
    """Return the message of Qdrant's own error body, None where the body is something else."""
    try:
        return str(json.loads(error.content)["status"]["error"])[:_MESSAGE_CHARACTERS]
    except (ValueError, KeyError, TypeError):
        return None


def _is_about_vectors(message: str) -> bool:
    return "ector dimension error" in message or "existing vector name" in message


def _translate_local(error: ValueError) -> Exception:
    message = str(error)
    if message.startswith("Collection ") and message.endswith(" not found"):
        return MissingCollectionError(message)
    return StoreMismatchError(message) if _is_about_vectors(message) else error
