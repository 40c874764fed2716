"""What the page costs: as many queries for many repositories as for a few."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status
from sqlalchemy import Engine, event

from ingestion_pipeline.api.overview import read_overview
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.jobs import Job
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, SyncProgress, SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.job_runs import JOB_TAG
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.settings import Settings
from ingestion_pipeline.state import open_state_store
from ingestion_pipeline_tests.fakes.clock import FakeClock
from ingestion_pipeline_tests.fakes.code_host import make_hosted

FAILURES = 2


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    opened = Services(
        Settings(home=tmp_path), FakeClock(), make_state=lambda _settings: open_state_store(url)
    )
    yield opened
    opened.close()


def fill(services: Services, instance: dg.DagsterInstance, numbers: range) -> None:
    """Track repositories, each with branches, failures, a run at work, a job and a history."""
    now = services.clock.now()
    for number in numbers:
        key, hosted = f"octo/{number:03}", make_hosted(f"octo/{number:03}", number)
        services.state.save_repository(TrackedRepository(key, hosted, tracked_at=now))
        for branch in ("main", "next"):
            indexed = IndexedBranch(branch, "1" * 40, "", "f", "c", now, 1, 2, 4)
            services.state.commit_branch(hosted.source, indexed)
        services.state.bump_source(hosted.source, now)
        add_runs(instance, key)
        at_work = f"{key}-{FAILURES}"
        services.state.set_progress(SyncProgress(at_work, key, "embed", 1, 2, "", now))
        services.state.jobs.accept(Job(at_work, hosted.source, key, "{}", "", now), 1000)
        record = SyncRecord(key, hosted.source, at_work, SyncStatus.FAILED, now, 1.0)
        services.state.record_sync(record)


def add_runs(instance: dg.DagsterInstance, key: str) -> None:
    for number, status in enumerate((*[Status.FAILURE] * FAILURES, Status.STARTED)):
        run_id = f"{key}-{number}"
        tags = {PARTITION_TAG: key, JOB_TAG: run_id}
        run = dg.DagsterRun("sync_repository", run_id=run_id, status=status, tags=tags)
        instance.run_storage.add_run(run)


def count_statements(services: Services, instance: dg.DagsterInstance) -> int:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        read_overview(services, instance)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(statements)


def test_more_repositories_are_no_more_queries(
    services: Services, instance: dg.DagsterInstance
) -> None:
    services.state.list_repositories()  # opened, its schema looked at
    fill(services, instance, range(1, 3))
    few = count_statements(services, instance)
    fill(services, instance, range(3, 40))
    overview = read_overview(services, instance)
    assert len(overview.repositories) == len(overview.active) == 39
    assert len(overview.ended) == 20
    assert count_statements(services, instance) == few < 30


def test_points_and_times_are_those_of_all_branches(
    services: Services, instance: dg.DagsterInstance
) -> None:
    fill(services, instance, range(1, 2))
    now, source = services.clock.now(), make_hosted("octo/001", 1).source
    later, cut_short = now + timedelta(hours=1), now + timedelta(hours=2)
    services.state.commit_branch(source, IndexedBranch("b", "2", "", "f", "c", later, 1, 2, 10))
    services.state.commit_branch(source, IndexedBranch("c", "", "", "f", "c", cut_short, 0, 0, 0))
    overview = read_overview(services, instance)
    [row] = overview.repositories
    assert (row.point_count, row.synced_at) == (18, later)
    assert overview.is_indexed


def test_while_it_is_synced_the_last_time_stands(
    services: Services, instance: dg.DagsterInstance
) -> None:
    fill(services, instance, range(1, 2))
    source = make_hosted("octo/001", 1).source
    for branch in services.state.list_branches(source):
        services.state.commit_branch(source, replace(branch, head_sha=""))
    [row] = read_overview(services, instance).repositories
    assert row.synced_at == services.clock.now()


def test_what_was_never_brought_to_its_end_was_never_synced(
    services: Services, instance: dg.DagsterInstance
) -> None:
    hosted = make_hosted()
    services.state.save_repository(TrackedRepository("octo/cat", hosted))
    begun = IndexedBranch("main", "", "", "f", "c", services.clock.now(), 0, 0, 0)
    services.state.commit_branch(hosted.source, begun)
    overview = read_overview(services, instance)
    [row] = overview.repositories
    assert row.synced_at is None
    assert not overview.is_indexed
