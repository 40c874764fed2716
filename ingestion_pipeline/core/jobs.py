"""Syncs that somebody asked for, and the port of the outbox that remembers them.

A job makes acceptance atomic: one at a time per repository, a cap on those that wait, and one job
for however many tries of the same request. Its Dagster run has the job's id, and once there is one
the run is the truth; what the job says of its progress is only what was last seen of it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingestion_pipeline.core.errors import PermanentError, TransientError
from ingestion_pipeline.core.repositories import SourceId


class JobStatus(StrEnum):
    """Where a job is; ``CANCELLING`` was asked to end and has not ended."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Job:
    """One sync that was accepted.

    Args:
        job_id: A UUID, the id of its Dagster run too.
        source: Which repository.
        partition_key: Its name when the job was accepted.
        options: JSON of the options that the run gets, as it was accepted.
        requested_by: Who asked, in words; no secret.
        accepted_at: When.
        idempotency_key: The caller's, "" for none.
        request_digest: Of what was asked; the same key with another one is refused.
        webhook_url: Told of the end, "" for none; may hold secrets of the receiver's.
        dispatched_at: When its run was handed to Dagster's queue.
        started_at: When the run was first seen to work.
        cancel_asked_at: When somebody asked to end it.
        ended_at: When it was seen to have ended.
        ended_as: How; None until then.
        error: Why it failed or was skipped, "" otherwise.
        sweep_id: The sync of everything that it is a part of, "" for none.
        result: JSON object of what its run did, "" until it completed.
    """

    job_id: str
    source: SourceId
    partition_key: str
    options: str
    requested_by: str
    accepted_at: datetime
    idempotency_key: str = ""
    request_digest: str = ""
    webhook_url: str = ""
    dispatched_at: datetime | None = None
    started_at: datetime | None = None
    cancel_asked_at: datetime | None = None
    ended_at: datetime | None = None
    ended_as: JobStatus | None = None
    error: str = ""
    sweep_id: str = ""
    result: str = ""

    @property
    def takes_a_place(self) -> bool:
        """Whether it counts among those that wait; one of a sweep never does."""
        return self.status is JobStatus.QUEUED and not self.sweep_id

    @property
    def status(self) -> JobStatus:
        """What was last seen of it."""
        if self.ended_as is not None:
            return self.ended_as
        if self.cancel_asked_at is not None:
            return JobStatus.CANCELLING
        return JobStatus.QUEUED if self.started_at is None else JobStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sync of every tracked repository that is stale; its jobs are those with its id.

    Args:
        sweep_id: A UUID.
        requested_by: Who asked, in words; no secret.
        asked_at: When.
        total: How many repositories were tracked then.
        checked_at: When the hosts had been asked and the jobs were there.
        ended_at: When the last of its jobs was seen to have ended.
        problem: What kept the check from being whole, "" for nothing.
    """

    sweep_id: str
    requested_by: str
    asked_at: datetime
    total: int
    checked_at: datetime | None = None
    ended_at: datetime | None = None
    problem: str = ""


class JobInProgressError(PermanentError):
    """A job of this repository is under way.

    Attributes:
        job: It.
    """

    def __init__(self, job: Job) -> None:
        super().__init__("Sync already in progress")
        self.job = job


class QueueFullError(TransientError):
    """As many jobs wait as may.

    Attributes:
        queue_size: How many wait.
        max_queue_size: How many may.
    """

    def __init__(self, queue_size: int, max_queue_size: int) -> None:
        super().__init__(f"Queue is full ({queue_size} pending tasks). Please try again later.")
        self.queue_size = queue_size
        self.max_queue_size = max_queue_size


class IdempotencyConflictError(PermanentError):
    """An idempotency key came again with another request."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submission.

    Args:
        job: The job; an earlier one where the same request had been accepted under its key.
        is_new: Whether it was accepted just now.
        replaced: The job that it was forced upon; to be ended first.
        queue_size: How many jobs wait now.
    """

    job: Job
    is_new: bool
    replaced: Job | None
    queue_size: int


class JobStore(ABC):
    """Remembers jobs.

    Every method is one transaction. Times go in and come out timezone-aware.
    """

    @abstractmethod
    def accept(self, job: Job, max_queued: int, *, force: bool = False) -> Accepted:
        """Store a new job; of any number of callers at once, at most one per repository gets in.

        Args:
            job: Not dispatched, not ended.
            max_queued: How many may wait, this one included; those of sweeps neither count nor are
                refused, as there is at most one a tracked repository.
            force: Ask a job of the repository that is under way to end, instead of refusing.

        Raises:
            JobInProgressError: One of the repository is under way, and nobody forces.
            QueueFullError: Too many wait.
            IdempotencyConflictError: Its key belongs to another request.
        """

    @abstractmethod
    def find_by_key(self, idempotency_key: str) -> Job | None:
        """Return the job that was accepted under a key; "" is none."""

    @abstractmethod
    def find_job(self, job_id: str) -> Job | None:
        """Return one job."""

    @abstractmethod
    def list_unended(self) -> list[Job]:
        """Return the jobs that were not seen to end, the oldest first."""

    @abstractmethod
    def list_ended(self, status: JobStatus, limit: int) -> list[Job]:
        """Return the jobs that ended this way, the last one first."""

    @abstractmethod
    def record_dispatched(self, job_id: str, at: datetime) -> None:
        """Note that the job's run is in Dagster's queue; only the first time counts."""

    @abstractmethod
    def record_started(self, job_id: str, at: datetime) -> None:
        """Note that the job's run works; only the first time counts."""

    @abstractmethod
    def record_ended(
        self, job_id: str, status: JobStatus, at: datetime, error: str = "", result: str = ""
    ) -> bool:
        """Note the end; only the first one counts.

        Returns:
            Whether this was it.
        """

    @abstractmethod
    def ask_to_cancel(self, job_id: str, at: datetime) -> Job | None:
        """Note that the job is to end; only the first time counts, and not after its end.

        Returns:
            The job as it stands now; None when there is none.
        """

    # -- syncs of everything

    @abstractmethod
    def begin_sweep(self, sweep: Sweep) -> Sweep:
        """Store a sweep unless one has not ended; of any number of callers one begins it.

        Returns:
            The one that is under way now.
        """

    @abstractmethod
    def find_newest_sweep(self) -> Sweep | None:
        """Return the sweep that has not ended, else the one that was asked for last."""

    @abstractmethod
    def record_sweep_checked(
        self, sweep_id: str, total: int, at: datetime, problem: str = ""
    ) -> None:
        """Note that the jobs of a sweep are there; only the first time counts."""

    @abstractmethod
    def record_sweep_ended(self, sweep_id: str, at: datetime) -> None:
        """Note the end of a sweep; only the first time counts."""

    @abstractmethod
    def count_unended(self, sweep_id: str) -> int:
        """Return how many jobs of a sweep were not seen to end."""
