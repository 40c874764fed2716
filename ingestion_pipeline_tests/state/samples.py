"""Rows to store."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np

from ingestion_pipeline.core.deliveries import Delivery
from ingestion_pipeline.core.relations import FileRelations, FileWords
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.core.state import DocumentState, IndexedBranch, SyncRecord, SyncStatus

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
NOON_ELSEWHERE = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))


def make_source(number: int = 1) -> SourceId:
    return SourceId(SourceKind.GITHUB, str(number))


def make_hosted(number: int = 1, name: str = "pallets/flask", **changes: Any) -> HostedRepository:
    values: dict[str, Any] = {
        "source": make_source(number),
        "node_id": f"R_{number}",
        "full_name": name,
        "clone_url": f"https://github.com/{name}.git",
        "web_url": f"https://github.com/{name}",
        "default_branch": "main",
        "pushed_at": "2026-01-30T08:00:00Z",
    }
    return HostedRepository(**{**values, **changes})


def make_repository(
    number: int = 1, name: str = "pallets/flask", **changes: Any
) -> TrackedRepository:
    values: dict[str, Any] = {"hosted": make_hosted(number, name), "tracked_at": NOON}
    return TrackedRepository(name, **{**values, **changes})


def make_document(document_id: str, points: int = 1, **changes: Any) -> DocumentState:
    values: dict[str, Any] = {
        "content_hash": "a" * 40,
        "points": {f"{document_id}/{index}": f"hash {index}" for index in range(points)},
    }
    return DocumentState(document_id, **{**values, **changes})


def make_branch(branch: str = "main", **changes: Any) -> IndexedBranch:
    values: dict[str, Any] = {
        "head_sha": "c" * 40,
        "pushed_at": "2026-01-30T08:00:00Z",
        "fingerprint": "f1",
        "collection": "code_hashbag-1",
        "indexed_at": NOON,
        "file_count": 2,
        "symbol_count": 3,
        "point_count": 6,
    }
    return IndexedBranch(branch, **{**values, **changes})


def make_sync(run_id: str, minutes: int = 0, **changes: Any) -> SyncRecord:
    values: dict[str, Any] = {
        "partition_key": "pallets/flask",
        "source": make_source(),
        "status": SyncStatus.COMPLETE,
        "started_at": NOON + timedelta(minutes=minutes),
        "duration_seconds": 1.5,
        "files": 3,
        "points_added": 4,
        "points_changed": 5,
        "points_deleted": 6,
        "files_parsed": 2,
        "points_embedded": 7,
        "is_full": True,
        "commits_pulled": 8,
    }
    return SyncRecord(run_id=run_id, **{**values, **changes})


def make_relations(paths: list[str]) -> FileRelations:
    """Return relations of the first file with the others: references with the second, commits with
    the third."""
    count = len(paths)
    return FileRelations(
        paths,
        np.array([[0], [1], [2]] if count > 1 else np.zeros((3, 0)), np.int32),
        np.array([[0], [2], [3]] if count > 2 else np.zeros((3, 0)), np.int32),
        np.array([1.5] if count > 2 else [], np.float32),
        np.arange(count, dtype=np.float32) + np.float32(0.5),
        FileWords(
            np.array([0, *[2] * count], np.int64),
            np.array([7, 2**32 - 1], np.int64),
            np.array([1, 70_000], np.int64),
        ),
    )


def make_waiting(delivery_id: str = "msg_1", minutes: int = 0, **changes: Any) -> Delivery:
    """Return a delivery that was added, and became due, so long after noon."""
    at = NOON + timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "job_id": "job 1",
        "url": "https://example.com/hook?key=é",
        "event": "sync.completed",
        "body": '{"type":"sync.completed"}',
        "created_at": at,
        "next_attempt_at": at,
    }
    return Delivery(delivery_id, **{**values, **changes})
