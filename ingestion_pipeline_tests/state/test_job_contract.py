"""What every job store does, the fake included."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ingestion_pipeline.core.jobs import (
    Accepted,
    IdempotencyConflictError,
    Job,
    JobInProgressError,
    JobStatus,
    JobStore,
    QueueFullError,
    Sweep,
)
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline_tests.state.samples import NOON, NOON_ELSEWHERE, make_source

LATER = NOON + timedelta(hours=1)
MOST = 3


@pytest.fixture
def jobs(store: StateStore) -> JobStore:
    return store.jobs


def make_job(number: int, source: int | None = None, **changes: Any) -> Job:
    moment = NOON + timedelta(minutes=number)
    job = Job(f"job-{number}", make_source(source or number), "o/n", "{}", "a test", moment)
    return replace(job, **changes)


def test_a_job_comes_back_as_it_went_in(jobs: JobStore) -> None:
    job = make_job(
        1,
        accepted_at=NOON_ELSEWHERE,
        options='{"full_reindex": true}',
        idempotency_key="key",
        request_digest="digest",
        webhook_url="https://example.com/hook",
    )
    assert jobs.accept(job, MOST) == Accepted(job, True, None, 1)
    assert jobs.find_job("job-1") == job
    assert jobs.find_job("job-2") is None
    assert jobs.list_unended() == [job]


def test_one_at_a_time_per_repository(jobs: JobStore) -> None:
    first = make_job(1, source=7)
    jobs.accept(first, MOST)
    with pytest.raises(JobInProgressError, match="Sync already in progress") as refused:
        jobs.accept(make_job(2, source=7), MOST)
    assert refused.value.job == first
    jobs.record_ended("job-1", JobStatus.COMPLETED, LATER)
    assert jobs.accept(make_job(2, source=7), MOST).is_new


def test_force_asks_the_job_in_progress_to_end(jobs: JobStore) -> None:
    jobs.accept(make_job(1, source=7), MOST)
    jobs.record_started("job-1", LATER)
    accepted = jobs.accept(make_job(2, source=7), MOST, force=True)
    first = jobs.find_job("job-1")
    assert accepted.replaced == first
    assert first is not None
    assert first.status is JobStatus.CANCELLING
    with pytest.raises(JobInProgressError) as refused:
        jobs.accept(make_job(3, source=7), MOST)
    assert refused.value.job.job_id == "job-2"
    assert [job.job_id for job in jobs.list_unended()] == ["job-1", "job-2"]


def test_only_so_many_wait(jobs: JobStore) -> None:
    for number in range(1, MOST + 1):
        jobs.accept(make_job(number), MOST)
    with pytest.raises(QueueFullError, match=r"full \(3 pending") as refused:
        jobs.accept(make_job(9), MOST)
    assert (refused.value.queue_size, refused.value.max_queue_size) == (MOST, MOST)
    assert jobs.find_job("job-9") is None
    assert jobs.accept(make_job(8, source=1), MOST, force=True).queue_size == MOST
    jobs.record_started("job-2", LATER)
    assert jobs.accept(make_job(9), MOST).queue_size == MOST


def test_a_refused_force_asks_nothing_to_end(jobs: JobStore) -> None:
    jobs.accept(make_job(1), 1)
    jobs.record_started("job-1", LATER)
    jobs.accept(make_job(2), 1)
    with pytest.raises(QueueFullError):
        jobs.accept(make_job(3, source=1), 1, force=True)
    first = jobs.find_job("job-1")
    assert first is not None
    assert first.status is JobStatus.RUNNING


def test_the_same_request_is_one_job(jobs: JobStore) -> None:
    job = make_job(1, idempotency_key="k", request_digest="d")
    assert jobs.find_by_key("k") is None
    jobs.accept(job, 1)
    jobs.accept(make_job(5), MOST)
    assert [jobs.find_by_key(key) for key in ("k", "other", "")] == [job, None, None]
    jobs.record_ended("job-5", JobStatus.COMPLETED, LATER)
    again = jobs.accept(make_job(2, idempotency_key="k", request_digest="d"), 1)
    assert again == Accepted(job, False, None, 1)
    with pytest.raises(IdempotencyConflictError):
        jobs.accept(make_job(2, idempotency_key="k", request_digest="e"), MOST)
    jobs.record_ended("job-1", JobStatus.FAILED, LATER, "no")
    again = jobs.accept(make_job(2, idempotency_key="k", request_digest="d"), MOST)
    assert (again.job.job_id, again.is_new) == ("job-1", False)


def test_what_happens_to_a_job_counts_once(jobs: JobStore) -> None:
    job = make_job(1)
    jobs.accept(job, MOST)
    for at in (NOON, LATER):
        jobs.record_dispatched("job-1", at)
        jobs.record_started("job-1", at)
        asked = jobs.ask_to_cancel("job-1", at)
        assert asked is not None
        assert asked.status is JobStatus.CANCELLING
    assert jobs.record_ended("job-1", JobStatus.CANCELLED, NOON, "gone \x00", '{"files": 3}')
    assert not jobs.record_ended("job-1", JobStatus.COMPLETED, LATER)
    ended = jobs.find_job("job-1")
    assert ended is not None
    assert ended.status is JobStatus.CANCELLED
    assert ended.error.startswith("gone")
    assert ended.result == '{"files": 3}'
    moments = (ended.dispatched_at, ended.started_at, ended.cancel_asked_at, ended.ended_at)
    assert moments == (NOON, NOON, NOON, NOON)
    assert jobs.list_unended() == []


def test_an_ended_or_unknown_job_is_not_asked_to_end(jobs: JobStore) -> None:
    jobs.accept(make_job(1), MOST)
    jobs.record_ended("job-1", JobStatus.COMPLETED, LATER)
    asked = jobs.ask_to_cancel("job-1", LATER)
    assert asked is not None
    assert asked.cancel_asked_at is None
    assert jobs.ask_to_cancel("job-9", LATER) is None


def test_ended_jobs_are_listed_by_how_they_ended(jobs: JobStore) -> None:
    for number, status in ((1, "skipped"), (2, "failed"), (3, "skipped"), (4, "skipped")):
        jobs.accept(make_job(number), 9)
        at = NOON + timedelta(hours=number)
        jobs.record_ended(f"job-{number}", JobStatus(status), at, "Task exceeded TTL")
    jobs.accept(make_job(5), 9)
    skipped = jobs.list_ended(JobStatus.SKIPPED, 2)
    assert [job.job_id for job in skipped] == ["job-4", "job-3"]
    assert jobs.list_ended(JobStatus.COMPLETED, 2) == []


def test_jobs_of_a_sweep_wait_beside_the_others(jobs: JobStore) -> None:
    jobs.begin_sweep(Sweep("sweep", "a test", NOON, 9))
    jobs.accept(make_job(1), 1)
    for number in (2, 3):
        accepted = jobs.accept(make_job(number, sweep_id="sweep"), 1)
        assert (accepted.is_new, accepted.queue_size) == (True, 1)
    with pytest.raises(JobInProgressError):
        jobs.accept(make_job(4, source=2), 9)
    assert jobs.count_unended("sweep") == 2
    jobs.record_ended("job-2", JobStatus.COMPLETED, LATER)
    assert jobs.count_unended("sweep") == 1
    with pytest.raises(QueueFullError):
        jobs.accept(make_job(4), 1)
    assert jobs.accept(make_job(4, source=3), 2, force=True).queue_size == 2


def test_one_sweep_at_a_time(jobs: JobStore) -> None:
    assert jobs.find_newest_sweep() is None
    first = Sweep("sweep-1", "a test", NOON_ELSEWHERE, 9)
    assert jobs.begin_sweep(first) == first
    assert jobs.begin_sweep(Sweep("sweep-2", "another", LATER, 9)) == first
    for total, at in ((8, NOON), (7, LATER)):
        jobs.record_sweep_checked("sweep-1", total, at, "a host did not answer")
        jobs.record_sweep_ended("sweep-1", at)
    ended = replace(first, total=8, checked_at=NOON, ended_at=NOON, problem="a host did not answer")
    assert jobs.find_newest_sweep() == ended
    earlier = NOON - timedelta(hours=1)  # of a clock that was set back
    second = Sweep("sweep-2", "another", earlier, 9)
    assert jobs.begin_sweep(second) == second
    assert jobs.find_newest_sweep() == second
    jobs.record_sweep_ended("sweep-2", LATER)
    assert jobs.find_newest_sweep() == ended


def test_of_many_sweeps_at_once_one_begins(jobs: JobStore) -> None:
    sweeps = [Sweep(f"sweep-{number}", "a test", NOON, 9) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(jobs.begin_sweep, sweeps))
    assert len(set(begun)) == 1


def race(accept: Callable[[int], Accepted]) -> tuple[int, list[type[Exception]]]:
    """Return how many of sixteen got in, and what the others were told."""

    def attempt(number: int) -> type[Exception] | None:
        try:
            accept(number)
        except (JobInProgressError, QueueFullError) as error:
            return type(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(attempt, range(1, 17)))
    return told.count(None), [kind for kind in told if kind is not None]


def test_of_many_for_one_repository_one_gets_in(jobs: JobStore) -> None:
    accepted, told = race(lambda number: jobs.accept(make_job(number, source=7), 99))
    assert (accepted, set(told)) == (1, {JobInProgressError})


def test_of_many_for_the_last_place_one_gets_in(jobs: JobStore) -> None:
    accepted, told = race(lambda number: jobs.accept(make_job(number), 1))
    assert (accepted, set(told)) == (1, {QueueFullError})
