"""The real adapter of the ``StateStore`` port, for SQLite and Postgres."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from ingestion_pipeline.core.deliveries import DeliveryStore
from ingestion_pipeline.core.jobs import JobStore
from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    TrackedRepository,
)
from ingestion_pipeline.core.state import (
    CheckSchedule,
    DocumentState,
    DocumentVersion,
    IndexedBranch,
    StateStore,
    SyncProgress,
    SyncRecord,
)
from ingestion_pipeline.core.totals import StateTotals
from ingestion_pipeline.state import documents, history, totals, tracked
from ingestion_pipeline.state import progress as progress_rows
from ingestion_pipeline.state import relations as relation_rows
from ingestion_pipeline.state import schedules as schedule_rows
from ingestion_pipeline.state.database_url import is_sqlite
from ingestion_pipeline.state.deliveries import SqlDeliveryStore
from ingestion_pipeline.state.engine import begin_transaction
from ingestion_pipeline.state.jobs import SqlJobStore
from ingestion_pipeline.state.locks import hold_advisory_lock, hold_file_lock


class SqlStateStore(StateStore):
    """State in a database whose tables are at the newest revision; see ``open_state_store``.

    Safe to share between threads. Besides the errors that the port names, every method raises
    ``TransientError`` when the database is busy or went away, and a ``ValueError`` for a naive
    time; a method that fails has changed nothing.

    Args:
        engine: From ``engine.make_engine``; the store disposes of it in ``close``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _reading(self) -> AbstractContextManager[Connection]:
        return begin_transaction(self._engine, writes=False)

    def _writing(self) -> AbstractContextManager[Connection]:
        return begin_transaction(self._engine, writes=True)

    def save_repository(self, repository: TrackedRepository) -> None:
        """Insert or replace the row of this source; see the port.

        ``former_keys`` are merged with the stored ones; the present key is never among them.
        """
        with self._writing() as connection:
            tracked.save(connection, repository)

    def find_repository(self, partition_key: str) -> TrackedRepository | None:
        """Return the tracked repository of this key, by its present key only."""
        with self._reading() as connection:
            return tracked.find(connection, partition_key)

    def find_source(self, source: SourceId) -> TrackedRepository | None:
        """Return the row of this source, untracked ones included."""
        with self._reading() as connection:
            return tracked.find_source(connection, source)

    def list_repositories(self, *, include_untracked: bool = False) -> list[TrackedRepository]:
        """Return the repositories, ordered by partition key."""
        with self._reading() as connection:
            return tracked.list_all(connection, include_untracked=include_untracked)

    def untrack_repository(self, partition_key: str, at: datetime) -> None:
        """Mark as untracked."""
        with self._writing() as connection:
            tracked.untrack(connection, partition_key, at)

    def forget_source(self, source: SourceId) -> None:
        """Remove everything known of a source except its history."""
        with self._writing() as connection:
            documents.remove(connection, source)
            relation_rows.remove(connection, source)
            schedule_rows.remove(connection, source)
            tracked.remove(connection, source)

    def move_partition_key(self, source: SourceId, key: str) -> TrackedRepository | None:
        """Take over a rename; see the port."""
        with self._writing() as connection:
            return tracked.move(connection, source, key)

    def set_hosted(
        self, source: SourceId, hosted: HostedRepository, *, status_detail: str = ""
    ) -> None:
        """Store what the host says now; nothing happens if the source was forgotten meanwhile.

        Raises:
            ValueError: ``hosted`` is another source.
        """
        if hosted.source != source:
            raise ValueError(f"{hosted.full_name} is {hosted.source}, not {source}.")
        with self._writing() as connection:
            tracked.set_hosted(connection, source, hosted, status_detail)

    def set_status(self, source: SourceId, status: RepositoryStatus, detail: str) -> None:
        """Store a status; nothing happens if the source was forgotten meanwhile."""
        with self._writing() as connection:
            tracked.set_status(connection, source, status, detail)

    def set_pushed_at_seen(self, seen: Mapping[SourceId, str]) -> None:
        """Remember pushes that need no run; sources forgotten meanwhile are passed over."""
        with self._writing() as connection:
            tracked.set_pushed_at_seen(connection, seen)

    def set_ignore_patterns(self, source: SourceId, patterns: Sequence[str]) -> None:
        """Store which files are left out; nothing happens if the source was forgotten meanwhile."""
        with self._writing() as connection:
            tracked.set_ignore_patterns(connection, source, patterns)

    def list_branches(self, source: SourceId) -> list[IndexedBranch]:
        """Return the branches that were indexed whole, ordered by name."""
        with self._reading() as connection:
            return documents.list_branches(connection, source)

    def list_all_branches(self) -> Mapping[SourceId, Sequence[IndexedBranch]]:
        """Return source → ``list_branches``, for all sources that have one, in one query."""
        with self._reading() as connection:
            return documents.list_all_branches(connection)

    def list_heads(self) -> Mapping[SourceId, Mapping[str, str]]:
        """Return source → branch → head sha last indexed, for all sources in one query."""
        with self._reading() as connection:
            return documents.list_heads(connection)

    def list_branch_names(self, source: SourceId) -> list[str]:
        """Return every branch with a row of either kind, also one that was never finished."""
        with self._reading() as connection:
            return documents.list_branch_names(connection, source)

    def list_documents(self, source: SourceId, branch: str) -> dict[str, DocumentState]:
        """Return document id → state."""
        with self._reading() as connection:
            return documents.list_documents(connection, source, branch)

    def list_document_versions(self, source: SourceId, branch: str) -> dict[str, DocumentVersion]:
        """Return document id → version, without reading any document's points."""
        with self._reading() as connection:
            return documents.list_document_versions(connection, source, branch)

    def read_documents(
        self, source: SourceId, branch: str, document_ids: Collection[str]
    ) -> dict[str, DocumentState]:
        """Return the states of those of the documents that have one."""
        with self._reading() as connection:
            return documents.read_documents(connection, source, branch, document_ids)

    def iterate_document_vectors(
        self, source: SourceId, branch: str
    ) -> Iterator[tuple[str, bytes]]:
        """Yield document id and vectors, streamed; one connection is held until the end."""
        with self._reading() as connection:
            yield from documents.iterate_vectors(connection, source, branch)

    def commit_documents(
        self,
        source: SourceId,
        branch: str,
        changed: Sequence[DocumentState],
        removed: Sequence[str],
    ) -> None:
        """Remove, then replace documents of a branch, in one transaction."""
        with self._writing() as connection:
            documents.commit_documents(connection, source, branch, changed, removed)

    def commit_branch(self, source: SourceId, indexed: IndexedBranch) -> None:
        """Insert or replace the branch's own row; the last write of a sync."""
        with self._writing() as connection:
            documents.commit_branch(connection, source, indexed)

    def remove_branch(self, source: SourceId, branch: str) -> None:
        """Remove the branch's row, its documents and its relations."""
        with self._writing() as connection:
            documents.remove(connection, source, branch)
            relation_rows.remove(connection, source, branch)

    def count_points(self, source: SourceId, branch: str | None = None) -> int:
        """Return the points of the documents, and one for each branch that was finished."""
        with self._reading() as connection:
            return documents.count_points(connection, source, branch)

    def set_relations(self, source: SourceId, branch: str, relations: FileRelations) -> None:
        """Replace what is known of how the branch's files belong together."""
        with self._writing() as connection:
            relation_rows.save(connection, source, branch, relations)

    def find_relations(self, source: SourceId, branch: str) -> FileRelations | None:
        """Return how the branch's files belong together; None where nobody has said so."""
        with self._reading() as connection:
            return relation_rows.find(connection, source, branch)

    def list_check_schedules(self) -> Mapping[SourceId, CheckSchedule]:
        """Return the schedules of all sources; one that was never checked is absent."""
        with self._reading() as connection:
            return schedule_rows.list_all(connection)

    def set_check_schedules(self, schedules: Mapping[SourceId, CheckSchedule]) -> None:
        """Store when to ask next, and clear the bumps that were answered; see the port."""
        with self._writing() as connection:
            schedule_rows.set_many(connection, schedules)

    def bump_source(self, source: SourceId, at: datetime, *, delivery_id: str = "") -> bool:
        """Note that a source changed; see the port."""
        with self._writing() as connection:
            if delivery_id and not schedule_rows.note_delivery(connection, delivery_id, at):
                return False
            schedule_rows.bump(connection, source, at)
            return True

    def set_progress(self, progress: SyncProgress) -> None:
        """Replace the progress of a run."""
        with self._writing() as connection:
            progress_rows.save(connection, progress)

    def find_progress(self, run_id: str) -> SyncProgress | None:
        """Return the newest progress of a run; None before its first and after its end."""
        with self._reading() as connection:
            return progress_rows.find(connection, run_id)

    def list_progress(self) -> list[SyncProgress]:
        """Return the newest progress of every run that has one, ordered by run id."""
        with self._reading() as connection:
            return progress_rows.list_all(connection)

    def remove_progress(self, run_id: str) -> None:
        """Forget the progress of a run that ended."""
        with self._writing() as connection:
            progress_rows.remove(connection, run_id)

    def record_sync(self, record: SyncRecord) -> None:
        """Append one line to the history; the same run id replaces its line."""
        with self._writing() as connection:
            history.record(connection, record)

    def find_sync(self, run_id: str) -> SyncRecord | None:
        """Return the line of a run."""
        with self._reading() as connection:
            return history.find(connection, run_id)

    def list_syncs(self, partition_key: str | None = None, limit: int = 10) -> list[SyncRecord]:
        """Return the newest lines first; a renamed repository's older ones are among its own."""
        with self._reading() as connection:
            return history.list_newest(connection, partition_key, limit)

    def list_newest_syncs(self) -> Mapping[SourceId, SyncRecord]:
        """Return source → its newest line, for all tracked sources that have one, in one query."""
        with self._reading() as connection:
            return history.list_newest_of_all(connection)

    def read_totals(self, bounds_seconds: Sequence[float]) -> StateTotals:
        """Return what the state adds up to; see ``totals`` for what it costs."""
        with self._reading() as connection:
            return totals.read(connection, bounds_seconds)

    @property
    def jobs(self) -> JobStore:
        """The syncs that somebody asked for, in the same database."""
        return SqlJobStore(self._engine)

    @property
    def deliveries(self) -> DeliveryStore:
        """The webhooks to be sent, over the same connections."""
        return SqlDeliveryStore(self._engine)

    def lock_source(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock of this name; see ``locks`` for what it rests on."""
        if is_sqlite(self._engine.url):
            return hold_file_lock(Path(str(self._engine.url.database)), name)
        return hold_advisory_lock(self._engine.url, name)

    def close(self) -> None:
        """Release connections. Locks that are held stay held."""
        self._engine.dispose()
