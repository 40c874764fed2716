"""What callers see of a job."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import SyncProgress, SyncRecord, SyncStatus

_SYNCS_COUNTED = 5


class Progress(BaseModel):
    """How far a job is; files are those of the stage at hand, and 0 while nobody knows."""

    percentage: int = Field(default=0, ge=0, le=100)
    files_processed: int = 0
    files_total: int = 0
    current_file: str | None = None
    stage: str | None = None
    updated_at: datetime | None = Field(
        default=None, description="When the run said so; while it works, twice a second."
    )


class JobResult(BaseModel):
    """What a completed job's run did."""

    files: int
    points_added: int
    points_changed: int
    points_deleted: int
    points_embedded: int
    duration_seconds: float
    is_full: bool


class JobView(BaseModel):
    """One job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_id": "0b9d9e0e-6b0c-4f6e-9d3e-5f1c8f0c2a11",
                    "status": "queued",
                    "repository_id": "596892",
                    "repository": "pallets/flask",
                    "created_at": "2026-01-31T12:00:00Z",
                    "estimated_completion": "2026-01-31T12:00:09Z",
                    "progress": {"percentage": 0, "files_processed": 0, "files_total": 0},
                    "options": {"force": False, "full_reindex": False, "incremental": True},
                }
            ]
        }
    )

    job_id: str = Field(description="The id of its Dagster run, too.")
    status: JobStatus
    repository_id: str = Field(description="The host's own id.")
    repository: str = Field(description="`owner/name` when the job was accepted.")
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    estimated_completion: str | None = Field(
        default=None,
        description="From this repository's own history; absent where there is none.",
    )
    cancel_asked_at: str | None = None
    error: str | None = None
    progress: Progress
    commits_pulled: int | None = Field(
        default=None, description="Commits that the fetch brought, once that is known."
    )
    result: JobResult | None = None
    options: dict[str, Any]


def make_view(
    job: Job,
    progress: SyncProgress | None,
    history: Sequence[SyncRecord],
    now: datetime,
    run_id: str = "",
) -> JobView:
    """Return what callers see.

    Args:
        job: It.
        progress: Of its run, None where there is none.
        history: Lines of its repository, the newest first.
        now: The time, timezone-aware.
        run_id: Of the job's newest run, "" where there is none.
    """
    written = next((line for line in history if line.run_id == run_id), None)
    result = json.loads(job.result) if job.result else None
    return JobView(
        job_id=job.job_id,
        status=job.status,
        repository_id=job.source.stable_id,
        repository=job.partition_key,
        created_at=format_utc(job.accepted_at),
        started_at=_format(job.started_at),
        ended_at=_format(job.ended_at),
        estimated_completion=_format(estimate_completion(job, history, now)),
        cancel_asked_at=_format(job.cancel_asked_at),
        error=job.error or None,
        progress=_describe_progress(job, progress, written, result),
        commits_pulled=result.pop("commits_pulled") if result else None,
        result=JobResult(**result) if result else None,
        options=json.loads(job.options),
    )


def estimate_completion(job: Job, history: Sequence[SyncRecord], now: datetime) -> datetime | None:
    """Return when a job ends if it takes as long as the last ones of its kind did.

    A job that waits is taken to begin now. None where nothing is known: an ended job, no such sync
    before, or one that takes longer than they did.
    """
    if job.ended_at is not None:
        return None
    is_full = bool(json.loads(job.options).get("full_reindex"))
    known = [
        line.duration_seconds
        for line in history
        if line.status is SyncStatus.COMPLETE and line.is_full == is_full
    ][:_SYNCS_COUNTED]
    if not known:
        return None
    end = (job.started_at or now) + timedelta(seconds=median(known))
    return end if end > now else None


def make_tag(view: JobView) -> str:
    """Return what differs as soon as anything of a view does, its restless estimate left out."""
    said = view.model_dump(mode="json", exclude={"estimated_completion"})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def make_etag(view: JobView) -> str:
    """Return a weak ``ETag`` of a view."""
    return f'W/"{make_tag(view)}"'


def matches_etag(header: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` header names the tag (RFC 9110, section 13.1.2)."""
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in given or etag.removeprefix("W/") in given


def _describe_progress(
    job: Job,
    now: SyncProgress | None,
    written: SyncRecord | None,
    result: Mapping[str, Any] | None,
) -> Progress:
    if job.status is JobStatus.COMPLETED:
        files = result["files"] if result else 0
        return Progress(percentage=100, files_processed=files, files_total=files)
    if job.started_at is None or job.ended_at is not None:
        return Progress()
    if written is not None:  # the points are there, and what is left are the checks
        files = written.files
        return Progress(percentage=99, files_processed=files, files_total=files, stage="check")
    if now is None:
        return Progress()
    return Progress(
        percentage=now.percentage,
        files_processed=now.done,
        files_total=now.total,
        current_file=now.current or None,
        stage=now.stage,
        updated_at=now.updated_at,
    )


def _format(moment: datetime | None) -> str | None:
    return format_utc(moment) if moment else None
