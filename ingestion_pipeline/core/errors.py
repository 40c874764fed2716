"""The errors this project raises on purpose.

::

    IngestionError
    ├── TransientError                  a later try may succeed by itself
    │   ├── HostUnavailableError        network, 5xx, time-outs of a code host
    │   ├── RateLimitedError            403/429 with a reset time
    │   ├── PointStoreUnavailableError  time-outs, 429 and 5xx of the point store
    │   ├── WebhookFailedError          a receiver of webhooks did not answer
    │   └── RepositoryBusyError         another run holds this repository
    └── PermanentError                  a person has to change something first
        ├── ConfigurationError          a setting is missing, malformed or not allowed
        │   └── HostNotAllowedError     the URL's host is not on the allow-list
        ├── AuthenticationError         the token is missing, wrong or expired
        ├── RepositoryUnavailableError  the host will not give us this repository
        │   ├── RepositoryNotFoundError     404: gone, or private and not shown to this token
        │   ├── RepositoryForbiddenError    403: the token may not read it
        │   └── RepositoryBlockedError      451: blocked for legal reasons
        ├── RepositoryNotTrackedError   no such partition
        ├── BranchNotFoundError         the branch is gone
        ├── RepositoryLimitError        too large, or fetching took too long
        ├── InvalidRepositoryNameError  malformed name or URL
        ├── InvalidQueryError           a search that cannot be answered as it was asked
        ├── WebhookUrlError             a webhook's URL is malformed, or may not be reached
        ├── StoreMismatchError          the collection has another layout than this version needs
        ├── EncoderMismatchError        points of another encoder than the query's
        ├── EncoderWeightsError         a file of weights is missing, damaged or another's
        └── TrainingBusyError           another training of an encoder is under way

Every message says what happened and what to do about it. No message, argument or attribute ever
holds a secret.
"""

from datetime import datetime


class IngestionError(Exception):
    """Base of every error raised on purpose."""


class TransientError(IngestionError):
    """A later try may succeed without anybody doing anything."""


class PermanentError(IngestionError):
    """Trying again does not help until a person changes something."""


class HostUnavailableError(TransientError):
    """A code host did not answer, or answered with 5xx."""


class RateLimitedError(TransientError):
    """A code host's rate limit is used up.

    Attributes:
        resets_at: When the limit is full again, timezone-aware, or None where the host did not say.
    """

    def __init__(self, message: str, resets_at: datetime | None = None) -> None:
        super().__init__(message)
        self.resets_at = resets_at


class PointStoreUnavailableError(TransientError):
    """The point store timed out or answered 429 or 5xx, our own retries included."""


class WebhookFailedError(TransientError):
    """A receiver of webhooks could not be reached, or did not answer as HTTP wants it."""


class RepositoryBusyError(TransientError):
    """Another run is working on this repository."""


class ConfigurationError(PermanentError):
    """A setting is missing, malformed or not allowed."""


class HostNotAllowedError(ConfigurationError):
    """The URL's host is not on the allow-list."""


class AuthenticationError(PermanentError):
    """The token is missing, wrong or expired."""


class RepositoryUnavailableError(PermanentError):
    """The code host will not give us this repository."""


class RepositoryNotFoundError(RepositoryUnavailableError):
    """404: the repository is gone, or private and not shown to this token."""


class RepositoryForbiddenError(RepositoryUnavailableError):
    """403: the token may not read this repository."""


class RepositoryBlockedError(RepositoryUnavailableError):
    """451: blocked for legal reasons."""


class RepositoryNotTrackedError(PermanentError):
    """Nothing is tracked under this partition key."""


class BranchNotFoundError(PermanentError):
    """A tracked branch does not exist at the host."""


class RepositoryLimitError(PermanentError):
    """The repository is larger, or slower to fetch, than the settings allow."""


class InvalidRepositoryNameError(PermanentError):
    """A repository name or URL is malformed."""


class InvalidQueryError(PermanentError):
    """A search that cannot be answered as it was asked: no words, an unknown or unclear symbol."""


class WebhookUrlError(PermanentError):
    """The URL of a webhook is malformed, or leads where no webhook may go."""


class StoreMismatchError(PermanentError):
    """A collection exists with another layout than this version writes."""


class EncoderWeightsError(PermanentError):
    """A file of encoder weights is missing, damaged, or another version's."""


class EncoderMismatchError(PermanentError):
    """A collection holds points of another encoder than the one that the query was made with."""


class TrainingBusyError(PermanentError):
    """Another training of an encoder is under way; it takes longer than anybody waits."""
