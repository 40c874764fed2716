"""Between rows and the types of ``core``: one pair of functions per table."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, and_

from ingestion_pipeline.core.deliveries import Delivery
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.core.state import (
    CheckSchedule,
    DocumentState,
    IndexedBranch,
    SyncProgress,
    SyncRecord,
    SyncStatus,
)


def is_source(table: Table, source: SourceId, branch: str | None = None) -> ColumnElement[bool]:
    """Return the condition that picks a source's rows, or those of one of its branches."""
    condition = and_(
        table.c.source_kind == source.kind.value, table.c.source_id == source.stable_id
    )
    return condition if branch is None else and_(condition, table.c.branch == branch)


def source_columns(source: SourceId) -> dict[str, str]:
    """Return the key columns that all tables share."""
    return {"source_kind": source.kind.value, "source_id": source.stable_id}


def source_of(row: RowMapping) -> SourceId:
    """Return the source of any table's row."""
    return SourceId(SourceKind(row["source_kind"]), row["source_id"])


def clean_text(text: str) -> str:
    r"""Return free text such as an error message in a form every database takes.

    Postgres refuses NUL, UTF-8 refuses lone surrogates (undecodable bytes of a subprocess's
    output); both are shown backslash-escaped.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def hosted_columns(hosted: HostedRepository) -> dict[str, Any]:
    """Return what a host says of a repository as columns, its key left out."""
    return {
        "node_id": hosted.node_id,
        "full_name": hosted.full_name,
        "clone_url": hosted.clone_url,
        "web_url": hosted.web_url,
        "default_branch": hosted.default_branch,
        "pushed_at": hosted.pushed_at,
        "status": hosted.status.value,
    }


def repository_columns(repository: TrackedRepository) -> dict[str, Any]:
    """Return all columns of a tracked repository but ``former_keys``."""
    return {
        **source_columns(repository.source),
        **hosted_columns(repository.hosted),
        "partition_key": repository.partition_key,
        "status_detail": clean_text(repository.status_detail),
        "branches": list(repository.branches),
        "pushed_at_seen": repository.pushed_at_seen,
        "tracked_at": repository.tracked_at,
        "untracked_at": repository.untracked_at,
        "ignore_patterns": list(repository.ignore_patterns),
    }


def read_repository(row: RowMapping) -> TrackedRepository:
    """Return the tracked repository of a row."""
    hosted = HostedRepository(
        source=source_of(row),
        node_id=row["node_id"],
        full_name=row["full_name"],
        clone_url=row["clone_url"],
        web_url=row["web_url"],
        default_branch=row["default_branch"],
        pushed_at=row["pushed_at"],
        status=RepositoryStatus(row["status"]),
    )
    return TrackedRepository(
        partition_key=row["partition_key"],
        hosted=hosted,
        branches=tuple(row["branches"]),
        status_detail=row["status_detail"],
        pushed_at_seen=row["pushed_at_seen"],
        tracked_at=row["tracked_at"],
        untracked_at=row["untracked_at"],
        former_keys=tuple(row["former_keys"]),
        ignore_patterns=tuple(row["ignore_patterns"]),
    )


def document_key(document_id: str) -> str:
    """Return the fixed-length key of a document id, 32 hexadecimal digits."""
    return hashlib.blake2b(document_id.encode("utf-8"), digest_size=16).hexdigest()


def document_columns(source: SourceId, branch: str, document: DocumentState) -> dict[str, Any]:
    """Return the columns of one document."""
    return {
        **source_columns(source),
        "branch": branch,
        "document_key": document_key(document.document_id),
        "document_id": document.document_id,
        "content_hash": document.content_hash,
        "point_count": len(document.points),
        "error": clean_text(document.error),
        "context": document.context,
        "vectors": document.vectors,
        "points": dict(document.points),
    }


def read_document(row: RowMapping) -> DocumentState:
    """Return the document of a row."""
    return DocumentState(
        document_id=row["document_id"],
        content_hash=row["content_hash"],
        points=row["points"],
        error=row["error"],
        context=row["context"],
        vectors=row["vectors"],
    )


def branch_columns(source: SourceId, indexed: IndexedBranch) -> dict[str, Any]:
    """Return the columns of one indexed branch."""
    return {
        **source_columns(source),
        "branch": indexed.branch,
        "head_sha": indexed.head_sha,
        "pushed_at": indexed.pushed_at,
        "fingerprint": indexed.fingerprint,
        "collection": indexed.collection,
        "indexed_at": indexed.indexed_at,
        "file_count": indexed.file_count,
        "symbol_count": indexed.symbol_count,
        "point_count": indexed.point_count,
    }


def read_branch(row: RowMapping) -> IndexedBranch:
    """Return the indexed branch of a row."""
    return IndexedBranch(
        branch=row["branch"],
        head_sha=row["head_sha"],
        pushed_at=row["pushed_at"],
        fingerprint=row["fingerprint"],
        collection=row["collection"],
        indexed_at=row["indexed_at"],
        file_count=row["file_count"],
        symbol_count=row["symbol_count"],
        point_count=row["point_count"],
    )


def sync_columns(record: SyncRecord) -> Mapping[str, Any]:
    """Return the columns of one line of the history."""
    source = record.source
    return {
        "run_id": record.run_id,
        "partition_key": record.partition_key,
        "source_kind": source.kind.value if source else None,
        "source_id": source.stable_id if source else None,
        "status": record.status.value,
        "started_at": record.started_at,
        "duration_seconds": record.duration_seconds,
        "files": record.files,
        "points_added": record.points_added,
        "points_changed": record.points_changed,
        "points_deleted": record.points_deleted,
        "error": clean_text(record.error),
        "files_parsed": record.files_parsed,
        "points_embedded": record.points_embedded,
        "is_full": record.is_full,
        "commits_pulled": record.commits_pulled,
    }


def read_sync(row: RowMapping) -> SyncRecord:
    """Return the history line of a row."""
    return SyncRecord(
        partition_key=row["partition_key"],
        source=source_of(row) if row["source_id"] is not None else None,
        run_id=row["run_id"],
        status=SyncStatus(row["status"]),
        started_at=row["started_at"],
        duration_seconds=row["duration_seconds"],
        files=row["files"],
        points_added=row["points_added"],
        points_changed=row["points_changed"],
        points_deleted=row["points_deleted"],
        error=row["error"],
        files_parsed=row["files_parsed"],
        points_embedded=row["points_embedded"],
        is_full=row["is_full"],
        commits_pulled=row["commits_pulled"],
    )


def read_schedule(row: RowMapping) -> CheckSchedule:
    """Return the check schedule of a row."""
    return CheckSchedule(row["next_check_at"], row["failures"], row["bumped_at"])


def progress_columns(progress: SyncProgress) -> dict[str, Any]:
    """Return the columns of a run's progress."""
    return {
        "run_id": progress.run_id,
        "partition_key": progress.partition_key,
        "stage": progress.stage,
        "done": progress.done,
        "total": progress.total,
        "current": clean_text(progress.current),
        "updated_at": progress.updated_at,
        "percentage": progress.percentage,
    }


def read_progress(row: RowMapping) -> SyncProgress:
    """Return the progress of a row."""
    return SyncProgress(
        run_id=row["run_id"],
        partition_key=row["partition_key"],
        stage=row["stage"],
        done=row["done"],
        total=row["total"],
        current=row["current"],
        updated_at=row["updated_at"],
        percentage=row["percentage"],
    )


def delivery_columns(delivery: Delivery) -> dict[str, Any]:
    """Return the columns of a webhook."""
    columns = {item.name: getattr(delivery, item.name) for item in fields(Delivery)}
    return {**columns, "last_error": clean_text(delivery.last_error)}


def read_delivery(row: RowMapping) -> Delivery:
    """Return the webhook of a row."""
    return Delivery(**row)


def job_columns(job: Job) -> dict[str, Any]:
    """Return the columns of a job."""
    names = (item.name for item in fields(Job) if item.name != "source")
    columns = {name: getattr(job, name) for name in names}
    ended_as = job.ended_as.value if job.ended_as else None
    return {**columns, **source_columns(job.source), "ended_as": ended_as}


def read_job(row: RowMapping) -> Job:
    """Return the job of a row."""
    columns = {item.name: row[item.name] for item in fields(Job) if item.name != "source"}
    ended_as = JobStatus(row["ended_as"]) if row["ended_as"] else None
    return Job(**{**columns, "source": source_of(row), "ended_as": ended_as})
