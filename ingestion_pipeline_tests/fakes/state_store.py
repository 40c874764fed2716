"""The whole state store port in memory; every method holds one lock, as a transaction would."""

import bisect
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from ingestion_pipeline.core.deliveries import DeliveryStore
from ingestion_pipeline.core.errors import (
    ConfigurationError,
    RepositoryBusyError,
    RepositoryNotTrackedError,
)
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
    SyncStatus,
)
from ingestion_pipeline.core.totals import StateTotals, SyncTotals
from ingestion_pipeline_tests.fakes.delivery_store import FakeDeliveryStore
from ingestion_pipeline_tests.fakes.job_store import FakeJobStore

Documents = Mapping[tuple[SourceId, str], Sequence[DocumentState]]

DAYS_KEPT = timedelta(days=3)


class FakeStateStore(StateStore):
    """Starts with what the constructor is given; ``held_locks`` and ``closed`` show the rest."""

    def __init__(
        self,
        repositories: Iterable[TrackedRepository] = (),
        *,
        branches: Mapping[SourceId, Sequence[IndexedBranch]] | None = None,
        documents: Documents | None = None,
        syncs: Iterable[SyncRecord] = (),
        schedules: Mapping[SourceId, CheckSchedule] | None = None,
    ) -> None:
        self._mutex = threading.RLock()
        self._rows = {row.source: row for row in repositories}
        self._branches = {
            source: {row.branch: row for row in rows} for source, rows in (branches or {}).items()
        }
        self._documents = {
            key: {row.document_id: row for row in rows} for key, rows in (documents or {}).items()
        }
        self._syncs = {record.run_id: record for record in syncs}
        self._schedules = dict(schedules or {})
        self._progress: dict[str, SyncProgress] = {}
        self._relations: dict[tuple[SourceId, str], FileRelations] = {}
        self._received: dict[str, datetime] = {}
        self._deliveries = FakeDeliveryStore()
        self._jobs = FakeJobStore()
        self._held: set[str] = set()
        self._closed = False

    @property
    def held_locks(self) -> frozenset[str]:
        with self._mutex:
            return frozenset(self._held)

    @property
    def closed(self) -> bool:
        return self._closed

    # -- tracked repositories

    def save_repository(self, repository: TrackedRepository) -> None:
        _require_aware(repository.tracked_at, repository.untracked_at)
        with self._mutex:
            holder = self.find_repository(repository.partition_key)
            if holder is not None and holder.source != repository.source:
                raise ConfigurationError(
                    f"{repository.partition_key} is tracked as {holder.source}. "
                    f"Untrack it first: ingestion-pipeline untrack {repository.partition_key}"
                )
            had = self._rows.get(repository.source)
            stored = (*had.former_keys, had.partition_key) if had else ()
            former = dict.fromkeys((*repository.former_keys, *stored))
            former.pop(repository.partition_key, None)
            self._rows[repository.source] = replace(repository, former_keys=tuple(former))

    def find_repository(self, partition_key: str) -> TrackedRepository | None:
        with self._mutex:
            return next(
                (r for r in self.list_repositories() if r.partition_key == partition_key), None
            )

    def find_source(self, source: SourceId) -> TrackedRepository | None:
        with self._mutex:
            return self._rows.get(source)

    def list_repositories(self, *, include_untracked: bool = False) -> list[TrackedRepository]:
        with self._mutex:
            rows = [r for r in self._rows.values() if include_untracked or r.untracked_at is None]
        return sorted(rows, key=lambda row: (row.partition_key, str(row.source)))

    def untrack_repository(self, partition_key: str, at: datetime) -> None:
        _require_aware(at)
        with self._mutex:
            row = self.find_repository(partition_key)
            if row is None:
                raise RepositoryNotTrackedError(f"{partition_key} is not tracked.")
            self._rows[row.source] = replace(row, untracked_at=at)

    def forget_source(self, source: SourceId) -> None:
        with self._mutex:
            self._rows.pop(source, None)
            self._branches.pop(source, None)
            self._schedules.pop(source, None)
            for rows in (self._documents, self._relations):
                for key in [key for key in rows if key[0] == source]:
                    del rows[key]

    def move_partition_key(self, source: SourceId, key: str) -> TrackedRepository | None:
        with self._mutex:
            row = self._rows.get(source)
            if row is None or row.untracked_at is not None:
                return None
            hosted = replace(row.hosted, full_name=key)
            self.save_repository(replace(row, partition_key=key, hosted=hosted))
            return self._rows[source]

    def set_hosted(
        self, source: SourceId, hosted: HostedRepository, *, status_detail: str = ""
    ) -> None:
        if hosted.source != source:
            raise ValueError(f"{hosted.full_name} is {hosted.source}, not {source}.")
        with self._mutex:
            if source in self._rows:
                self._rows[source] = replace(
                    self._rows[source], hosted=hosted, status_detail=status_detail
                )

    def set_status(self, source: SourceId, status: RepositoryStatus, detail: str) -> None:
        with self._mutex:
            if source in self._rows:
                hosted = replace(self._rows[source].hosted, status=status)
                self.set_hosted(source, hosted, status_detail=detail)

    def set_pushed_at_seen(self, seen: Mapping[SourceId, str]) -> None:
        with self._mutex:
            for source, pushed_at in seen.items():
                if source in self._rows:
                    self._rows[source] = replace(self._rows[source], pushed_at_seen=pushed_at)

    def set_ignore_patterns(self, source: SourceId, patterns: Sequence[str]) -> None:
        with self._mutex:
            if source in self._rows:
                self._rows[source] = replace(self._rows[source], ignore_patterns=tuple(patterns))

    # -- what was indexed

    def list_branches(self, source: SourceId) -> list[IndexedBranch]:
        with self._mutex:
            rows = self._branches.get(source, {})
            return [rows[name] for name in sorted(rows)]

    def list_all_branches(self) -> Mapping[SourceId, Sequence[IndexedBranch]]:
        with self._mutex:
            return {
                source: self.list_branches(source)
                for source in self._branches
                if self._branches[source]
            }

    def list_heads(self) -> Mapping[SourceId, Mapping[str, str]]:
        with self._mutex:
            return {
                source: {name: row.head_sha for name, row in rows.items()}
                for source, rows in self._branches.items()
                if rows
            }

    def list_branch_names(self, source: SourceId) -> list[str]:
        with self._mutex:
            begun = {branch for owner, branch in self._documents if owner == source}
            return sorted(begun | set(self._branches.get(source, {})))

    def list_documents(self, source: SourceId, branch: str) -> dict[str, DocumentState]:
        with self._mutex:
            return dict(self._documents.get((source, branch), {}))

    def list_document_versions(self, source: SourceId, branch: str) -> dict[str, DocumentVersion]:
        return {
            name: DocumentVersion(row.content_hash, row.context, row.error, len(row.points))
            for name, row in self.list_documents(source, branch).items()
        }

    def read_documents(
        self, source: SourceId, branch: str, document_ids: Collection[str]
    ) -> dict[str, DocumentState]:
        rows = self.list_documents(source, branch)
        return {name: rows[name] for name in document_ids if name in rows}

    def iterate_document_vectors(
        self, source: SourceId, branch: str
    ) -> Iterator[tuple[str, bytes]]:
        for name, row in self.list_documents(source, branch).items():
            yield name, row.vectors

    def commit_documents(
        self,
        source: SourceId,
        branch: str,
        changed: Sequence[DocumentState],
        removed: Sequence[str],
    ) -> None:
        with self._mutex:
            rows = dict(self._documents.get((source, branch), {}))
            for document_id in removed:
                rows.pop(document_id, None)
            rows.update({row.document_id: row for row in changed})
            self._documents.pop((source, branch), None)
            if rows:
                self._documents[source, branch] = rows

    def commit_branch(self, source: SourceId, indexed: IndexedBranch) -> None:
        _require_aware(indexed.indexed_at)
        with self._mutex:
            self._branches.setdefault(source, {})[indexed.branch] = indexed

    def remove_branch(self, source: SourceId, branch: str) -> None:
        with self._mutex:
            self._branches.get(source, {}).pop(branch, None)
            self._documents.pop((source, branch), None)
            self._relations.pop((source, branch), None)

    def count_points(self, source: SourceId, branch: str | None = None) -> int:
        with self._mutex:
            names = self.list_branch_names(source) if branch is None else [branch]
            finished = self._branches.get(source, {})
            # A finished branch has one point of its own beside those of its documents.
            return sum(
                (name in finished)
                + sum(len(d.points) for d in self.list_documents(source, name).values())
                for name in names
            )

    def set_relations(self, source: SourceId, branch: str, relations: FileRelations) -> None:
        with self._mutex:
            self._relations[source, branch] = relations

    def find_relations(self, source: SourceId, branch: str) -> FileRelations | None:
        with self._mutex:
            return self._relations.get((source, branch))

    # -- when to ask hosts

    def list_check_schedules(self) -> Mapping[SourceId, CheckSchedule]:
        with self._mutex:
            return dict(self._schedules)

    def set_check_schedules(self, schedules: Mapping[SourceId, CheckSchedule]) -> None:
        _require_aware(*(schedule.next_check_at for schedule in schedules.values()))
        with self._mutex:
            for source, schedule in schedules.items():
                had = self._schedules.get(source, CheckSchedule()).bumped_at
                left = None if had == schedule.bumped_at else had
                self._schedules[source] = replace(schedule, bumped_at=left)

    def bump_source(self, source: SourceId, at: datetime, *, delivery_id: str = "") -> bool:
        _require_aware(at)
        with self._mutex:
            received = self._received
            for known in [known for known, when in received.items() if at - when > DAYS_KEPT]:
                del received[known]
            if delivery_id and delivery_id in received:
                return False
            if delivery_id:
                received[delivery_id] = at
            had = self._schedules.get(source, CheckSchedule())
            self._schedules[source] = replace(had, bumped_at=at)
            return True

    # -- progress, history and locks

    def set_progress(self, progress: SyncProgress) -> None:
        _require_aware(progress.updated_at)
        with self._mutex:
            self._progress[progress.run_id] = progress

    def find_progress(self, run_id: str) -> SyncProgress | None:
        with self._mutex:
            return self._progress.get(run_id)

    def list_progress(self) -> list[SyncProgress]:
        with self._mutex:
            return [self._progress[run_id] for run_id in sorted(self._progress)]

    def remove_progress(self, run_id: str) -> None:
        with self._mutex:
            self._progress.pop(run_id, None)

    def record_sync(self, record: SyncRecord) -> None:
        _require_aware(record.started_at)
        with self._mutex:
            self._syncs[record.run_id] = record

    def find_sync(self, run_id: str) -> SyncRecord | None:
        return self._syncs.get(run_id)

    def list_syncs(self, partition_key: str | None = None, limit: int = 10) -> list[SyncRecord]:
        with self._mutex:
            row = self.find_repository(partition_key) if partition_key else None
            lines = [
                line
                for line in self._syncs.values()
                if partition_key in (None, line.partition_key)
                or (row is not None and line.source == row.source)
            ]
        lines.sort(key=lambda line: line.run_id)
        return sorted(lines, key=lambda line: line.started_at, reverse=True)[:limit]

    def list_newest_syncs(self) -> Mapping[SourceId, SyncRecord]:
        with self._mutex:
            tracked = {row.source for row in self.list_repositories()}
            newest: dict[SourceId, SyncRecord] = {}
            for line in self.list_syncs(limit=len(self._syncs)):
                if line.source is not None and line.source in tracked:
                    newest.setdefault(line.source, line)
            return newest

    def read_totals(self, bounds_seconds: Sequence[float]) -> StateTotals:
        with self._mutex:
            rows = self.list_repositories()
            newest = {line.source: line for line in reversed(self.list_syncs(limit=2**31))}
            failed = [line.source for line in newest.values() if line.status is SyncStatus.FAILED]
            deliveries = self._deliveries.list_deliveries(limit=2**31)
            indexed = [branch for rows in self._branches.values() for branch in rows.values()]
            return StateTotals(
                syncs=self._sum_syncs(bounds_seconds),
                repositories=Counter(row.hosted.status for row in rows),
                unindexed=sum(not self._branches.get(row.source) for row in rows),
                failing=sum(row.source in failed for row in rows),
                points=sum(branch.point_count for branch in indexed),
                deliveries_pending=sum(row.next_attempt_at is not None for row in deliveries),
                deliveries_dead=sum(row.dead_at is not None for row in deliveries),
            )

    def _sum_syncs(self, bounds_seconds: Sequence[float]) -> list[SyncTotals]:
        sums: list[SyncTotals] = []
        for kind in {(line.status, line.is_full) for line in self._syncs.values()}:
            lines = [line for line in self._syncs.values() if (line.status, line.is_full) == kind]
            seconds = [line.duration_seconds for line in lines]
            at = Counter(bisect.bisect_left(bounds_seconds, value) for value in seconds)
            counts = tuple(at[place] for place in range(len(bounds_seconds) + 1))
            sums.append(SyncTotals(*kind, sum(seconds), counts))
        return sums

    @property
    def jobs(self) -> JobStore:
        return self._jobs

    @property
    def deliveries(self) -> DeliveryStore:
        return self._deliveries

    @contextmanager
    def lock_source(self, name: str) -> Iterator[None]:
        with self._mutex:
            if name in self._held:
                raise RepositoryBusyError(f"Another run is working on {name}. Try again later.")
            self._held.add(name)
        try:
            yield
        finally:
            with self._mutex:
                self._held.discard(name)

    def close(self) -> None:
        self._closed = True


def _require_aware(*moments: datetime | None) -> None:
    if any(moment is not None and moment.tzinfo is None for moment in moments):
        raise ValueError("The state store takes timezone-aware times only.")
