"""What was written where: the rows of the state store, and its port."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ingestion_pipeline.core.deliveries import DeliveryStore
from ingestion_pipeline.core.jobs import JobStore
from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    TrackedRepository,
)
from ingestion_pipeline.core.totals import StateTotals


@dataclass(frozen=True, slots=True)
class DocumentState:
    """One document (a file of a branch, later a page or a conversation) as it was last indexed.

    Args:
        document_id: Path within the branch, or the source's own document id.
        content_hash: Blob sha for files.
        points: Point id → hash of what the point said, vectors and volatile facts left out; the
            document's own point first, the others in their order.
        error: Why it has no points, "" when it has.
        context: What its points say besides their content: repository name, versions. Another
            context means that the points are written again though the content is the same.
        vectors: (P, D) int8, the dense vectors in the store, in the order of ``points``, each
            scaled by 127 over its largest component; b"" when nobody knows what the store holds.
    """

    document_id: str
    content_hash: str
    points: Mapping[str, str] = field(default_factory=dict[str, str])
    error: str = ""
    context: str = ""
    vectors: bytes = b""


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """What tells whether a document has to be looked at again; a row without its points.

    Args:
        content_hash: As in ``DocumentState``.
        context: Likewise.
        error: Likewise.
        point_count: Number of its points.
    """

    content_hash: str
    context: str
    error: str
    point_count: int


@dataclass(frozen=True, slots=True)
class CheckSchedule:
    """When a repository's host is asked about it again.

    Args:
        next_check_at: Not before this time; None for as soon as possible.
        failures: Checks in a row that brought no answer.
        bumped_at: When somebody (a webhook) said that it changed; None once it was asked about.
    """

    next_check_at: datetime | None = None
    failures: int = 0
    bumped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a run is.

    Args:
        run_id: Dagster run.
        partition_key: Which repository.
        stage: ``clone``, ``parse``, ``embed`` or ``upsert``.
        done: Files or points done in this stage.
        total: Of how many; 0 while nobody knows.
        current: File at hand, "" for none.
        updated_at: UTC.
        percentage: How much of the whole sync is done, 0 to 99.
    """

    run_id: str
    partition_key: str
    stage: str
    done: int
    total: int
    current: str
    updated_at: datetime
    percentage: int = 0


@dataclass(frozen=True, slots=True)
class IndexedBranch:
    """One branch as it was last indexed, whole.

    Args:
        branch: Its name.
        head_sha: Commit that was indexed.
        pushed_at: The host's own string at that time, "" when it has none.
        fingerprint: Of the pipeline that wrote it (parser, grammars, encoder, options).
        collection: Where its points are.
        indexed_at: When the sync was committed, UTC.
        file_count: Files with points.
        symbol_count: Symbols with points.
        point_count: All points of the branch, the repository's own included.
    """

    branch: str
    head_sha: str
    pushed_at: str
    fingerprint: str
    collection: str
    indexed_at: datetime
    file_count: int
    symbol_count: int
    point_count: int


class SyncStatus(StrEnum):
    """How a sync ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """One line of the ingestion history.

    Args:
        partition_key: Name at that time.
        source: Stable source, None when it was never resolved.
        run_id: Dagster run.
        status: How it ended.
        started_at: UTC.
        duration_seconds: From the first op's start to the end.
        files: Files looked at.
        points_added: Points that were not there.
        points_changed: Points that were rewritten.
        points_deleted: Points that went.
        error: Message of a failure, "" otherwise.
        files_parsed: Files that went through the parser, the cache not being enough.
        points_embedded: Vectors that were computed from words.
        is_full: Whether every file was looked at: a first index, or one that was asked for.
        commits_pulled: Commits that the fetch brought; None where git cannot tell.
    """

    partition_key: str
    source: SourceId | None
    run_id: str
    status: SyncStatus
    started_at: datetime
    duration_seconds: float
    files: int = 0
    points_added: int = 0
    points_changed: int = 0
    points_deleted: int = 0
    error: str = ""
    files_parsed: int = 0
    points_embedded: int = 0
    is_full: bool = False
    commits_pulled: int | None = None


class StateStore(ABC):
    """Remembers what is tracked and what was written.

    Every method is one transaction. Times go in and come out timezone-aware.
    """

    # -- tracked repositories

    @abstractmethod
    def save_repository(self, repository: TrackedRepository) -> None:
        """Insert or replace the row of this source; ``untracked_at`` None tracks it again.

        The source is the identity: saving the same source under another partition key moves the
        row, and the key it had is appended to ``former_keys``.

        Raises:
            ConfigurationError: Another source holds this partition key and is still tracked.
        """

    @abstractmethod
    def find_repository(self, partition_key: str) -> TrackedRepository | None:
        """Return the tracked repository of this key, by its present key only."""

    @abstractmethod
    def find_source(self, source: SourceId) -> TrackedRepository | None:
        """Return the row of this source, untracked ones included."""

    @abstractmethod
    def list_repositories(self, *, include_untracked: bool = False) -> list[TrackedRepository]:
        """Return the repositories, ordered by partition key."""

    @abstractmethod
    def untrack_repository(self, partition_key: str, at: datetime) -> None:
        """Mark as untracked.

        Raises:
            RepositoryNotTrackedError: No such tracked partition key.
        """

    @abstractmethod
    def forget_source(self, source: SourceId) -> None:
        """Remove everything known of a source except its history."""

    @abstractmethod
    def move_partition_key(self, source: SourceId, key: str) -> TrackedRepository | None:
        """Take over a rename: ``key`` becomes partition key and full name, all else stays.

        The key it had is appended to ``former_keys``. Narrow on purpose: saving the whole row as it
        was read would undo a command that changed it meanwhile.

        Returns:
            The row as it stands afterwards; None when the source is not tracked (any more), and
            then nothing was changed.

        Raises:
            ConfigurationError: Another source holds this partition key and is still tracked.
        """

    @abstractmethod
    def set_hosted(
        self, source: SourceId, hosted: HostedRepository, *, status_detail: str = ""
    ) -> None:
        """Store what the host says now; the partition key and the options stay."""

    @abstractmethod
    def set_status(self, source: SourceId, status: RepositoryStatus, detail: str) -> None:
        """Store a status other than what ``set_hosted`` would bring, for example after a 404."""

    @abstractmethod
    def set_pushed_at_seen(self, seen: Mapping[SourceId, str]) -> None:
        """Remember pushes that need no run."""

    @abstractmethod
    def set_ignore_patterns(self, source: SourceId, patterns: Sequence[str]) -> None:
        """Store which files are left out from now on; the rest of the row stays."""

    # -- what was indexed

    @abstractmethod
    def list_branches(self, source: SourceId) -> list[IndexedBranch]:
        """Return the branches that were indexed whole, ordered by name."""

    @abstractmethod
    def list_all_branches(self) -> Mapping[SourceId, Sequence[IndexedBranch]]:
        """Return source → ``list_branches``, for all sources that have one, in one query."""

    @abstractmethod
    def list_heads(self) -> Mapping[SourceId, Mapping[str, str]]:
        """Return source → branch → head sha last indexed, for all sources in one query."""

    @abstractmethod
    def list_branch_names(self, source: SourceId) -> list[str]:
        """Return every branch with a row of either kind, also one that was never finished."""

    @abstractmethod
    def list_documents(self, source: SourceId, branch: str) -> dict[str, DocumentState]:
        """Return document id → state."""

    @abstractmethod
    def list_document_versions(self, source: SourceId, branch: str) -> dict[str, DocumentVersion]:
        """Return document id → version, without reading any document's points."""

    @abstractmethod
    def read_documents(
        self, source: SourceId, branch: str, document_ids: Collection[str]
    ) -> dict[str, DocumentState]:
        """Return the states of those of the documents that have one."""

    @abstractmethod
    def iterate_document_vectors(
        self, source: SourceId, branch: str
    ) -> Iterator[tuple[str, bytes]]:
        """Yield document id and ``DocumentState.vectors``, in no particular order, streamed."""

    @abstractmethod
    def commit_documents(
        self,
        source: SourceId,
        branch: str,
        changed: Sequence[DocumentState],
        removed: Sequence[str],
    ) -> None:
        """Replace and remove documents of a branch; all of it or none of it."""

    @abstractmethod
    def commit_branch(self, source: SourceId, indexed: IndexedBranch) -> None:
        """Insert or replace the branch's own row; the last write of a sync."""

    @abstractmethod
    def remove_branch(self, source: SourceId, branch: str) -> None:
        """Remove the branch's row, its documents and its relations."""

    @abstractmethod
    def count_points(self, source: SourceId, branch: str | None = None) -> int:
        """Return the number of points that documents and branch rows say the store holds."""

    @abstractmethod
    def set_relations(self, source: SourceId, branch: str, relations: FileRelations) -> None:
        """Replace what is known of how the branch's files belong together."""

    @abstractmethod
    def find_relations(self, source: SourceId, branch: str) -> FileRelations | None:
        """Return how the branch's files belong together; None where nobody has said so."""

    # -- when to ask hosts

    @abstractmethod
    def list_check_schedules(self) -> Mapping[SourceId, CheckSchedule]:
        """Return the schedules of all sources; one that was never checked is absent."""

    @abstractmethod
    def set_check_schedules(self, schedules: Mapping[SourceId, CheckSchedule]) -> None:
        """Store when to ask next, and clear the bumps that were answered.

        ``schedule.bumped_at`` is the bump that the check answered: it is cleared where it is still
        the one stored. A stored bump that differs, because it arrived since or because the caller
        gives None, stays. Nothing ever stores a bump but ``bump_source``.
        """

    @abstractmethod
    def bump_source(self, source: SourceId, at: datetime, *, delivery_id: str = "") -> bool:
        """Note that a source changed, so that the next check asks about it first.

        Args:
            source: It.
            at: When.
            delivery_id: Of the webhook that said so, "" for none; kept for some days.

        Returns:
            False where this delivery was noted before; then nothing changes.
        """

    # -- progress and history

    @abstractmethod
    def set_progress(self, progress: SyncProgress) -> None:
        """Replace the progress of a run."""

    @abstractmethod
    def find_progress(self, run_id: str) -> SyncProgress | None:
        """Return the newest progress of a run; None before its first and after its end."""

    @abstractmethod
    def list_progress(self) -> list[SyncProgress]:
        """Return the newest progress of every run that has one, ordered by run id.

        A run that was killed leaves its own behind.
        """

    @abstractmethod
    def remove_progress(self, run_id: str) -> None:
        """Forget the progress of a run that ended."""

    @abstractmethod
    def record_sync(self, record: SyncRecord) -> None:
        """Append one line to the history; the same run id replaces its line."""

    @abstractmethod
    def find_sync(self, run_id: str) -> SyncRecord | None:
        """Return the line of a run."""

    @abstractmethod
    def list_syncs(self, partition_key: str | None = None, limit: int = 10) -> list[SyncRecord]:
        """Return the newest lines first."""

    @abstractmethod
    def list_newest_syncs(self) -> Mapping[SourceId, SyncRecord]:
        """Return source → its newest line, for all tracked sources that have one, in one query."""

    @abstractmethod
    def read_totals(self, bounds_seconds: Sequence[float]) -> StateTotals:
        """Return what the state adds up to; see ``StateTotals``.

        Args:
            bounds_seconds: Of the durations of syncs, ascending.
        """

    # -- webhooks

    @property
    @abstractmethod
    def jobs(self) -> JobStore:
        """The syncs that somebody asked for, in the same database."""

    @property
    @abstractmethod
    def deliveries(self) -> DeliveryStore:
        """The webhooks to be sent, in the same database; it closes with this store."""

    # -- locks

    @abstractmethod
    def lock_source(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock of this name for as long as the context lasts.

        The lock dies with its process, however that ends, and is seen by every process that shares
        this state store.

        Raises:
            RepositoryBusyError: Another process or thread holds it.
        """

    @abstractmethod
    def close(self) -> None:
        """Release connections."""
