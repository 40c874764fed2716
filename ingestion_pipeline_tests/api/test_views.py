"""What callers see of a job."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ingestion_pipeline.api.views import estimate_completion, make_view, matches_etag
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import SyncProgress, SyncRecord, SyncStatus
from ingestion_pipeline_tests.state.samples import NOON, make_source, make_sync

JOB = Job("job", make_source(), "o/n", "{}", "a test", NOON, started_at=NOON)
LATER = NOON + timedelta(seconds=5)


def make_history(*seconds: float, **changes: Any) -> list[SyncRecord]:
    values = {"is_full": False, **changes}
    return [
        make_sync(f"run-{number}", duration_seconds=duration, **values)
        for number, duration in enumerate(seconds)
    ]


def estimate(job: Job, history: list[SyncRecord], now: datetime = NOON) -> str | None:
    end = estimate_completion(job, history, now)
    return format_utc(end) if end else None


def test_it_takes_as_long_as_the_last_ones_of_its_kind_did() -> None:
    history = make_history(10, 30, 20, 40, 50, 9999, 9999, 9999, 9999)
    assert estimate(JOB, history) == "2026-01-31T12:00:30Z"
    full = replace(JOB, options='{"full_reindex": true}')
    assert estimate(full, history) is None
    assert estimate(full, make_history(60, is_full=True)) == "2026-01-31T12:01:00Z"


def test_one_that_waits_is_taken_to_begin_now() -> None:
    waiting = replace(JOB, started_at=None)
    now = NOON + timedelta(minutes=1)
    assert estimate(waiting, make_history(10), now) == "2026-01-31T12:01:10Z"


@pytest.mark.parametrize(
    "history", [[], make_history(10, status=SyncStatus.FAILED), make_history(4)]
)
def test_what_is_not_known_is_not_said(history: list[SyncRecord]) -> None:
    assert estimate(JOB, history, LATER) is None


def test_an_ended_job_is_not_estimated() -> None:
    ended = replace(JOB, ended_at=LATER, ended_as=JobStatus.COMPLETED)
    assert estimate(ended, make_history(1000)) is None


def test_the_percentage_never_goes_back() -> None:
    seen = [make_view(JOB, None, [], LATER, "run").progress.percentage]
    for percentage in (0, 35, 99):
        progress = SyncProgress("run", "o/n", "embed", 1, 2, "", NOON, percentage)
        seen.append(make_view(JOB, progress, [], LATER, "run").progress.percentage)
    written = make_view(JOB, None, [make_sync("run", files=7)], LATER, "run").progress
    assert (written.stage, written.files_processed, written.files_total) == ("check", 7, 7)
    seen.append(written.percentage)
    done = replace(JOB, ended_at=LATER, ended_as=JobStatus.COMPLETED)
    seen.append(make_view(done, None, [], LATER, "run").progress.percentage)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 100)
    assert max(seen[:-2]) <= 99


def test_a_line_of_another_run_says_nothing() -> None:
    view = make_view(JOB, None, [make_sync("another")], LATER, "run")
    assert view.progress.percentage == 0


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ('"b", W/"a"', True),
        ("*", True),
        ("", False),
        ('"ab"', False),
        ("a", False),
    ],
)
def test_etags_are_compared_weakly(header: str, matches: bool) -> None:
    assert matches_etag(header, 'W/"a"') is matches
