"""How fresh a repository is, as far as is known without asking."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.repositories import RepositoryStatus, TrackedRepository
from ingestion_pipeline.freshness.evidence import Evidence, FailureStreak, Materialization
from ingestion_pipeline.freshness.known import Freshness, judge_known
from ingestion_pipeline_tests.fakes.code_host import make_hosted

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HOSTED = make_hosted()
ROW = TrackedRepository("octo/cat", HOSTED)
INDEXED = Materialization(HOSTED.pushed_at, "v1")


def make_evidence(row: TrackedRepository = ROW, **changes: Any) -> Evidence:
    """Return what is known of a repository that is up to date."""
    fresh = Evidence(row, None, INDEXED, "v1", {"main": "1" * 40})
    return replace(fresh, **changes)


def test_what_is_indexed_as_it_was_last_seen_is_fresh() -> None:
    known = judge_known(make_evidence(), None, NOW, NOW)
    assert (known.freshness, known.reason) == (Freshness.FRESH, "up to date")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"materialized": None}, "never indexed"),
        ({"code_version": "v2"}, "pipeline changed (v2)"),
        ({"materialized": Materialization("2025-12-31T00:00:00Z", "v1")}, "pushed since"),
        ({"indexed_heads": {"main": ""}}, "not indexed to the end"),
        ({"indexed_heads": {"main": "1" * 40, "old": "2" * 40}}, "branch old is not tracked"),
    ],
)
def test_what_a_run_would_change_is_stale(changes: dict[str, Any], reason: str) -> None:
    known = judge_known(make_evidence(**changes), None, NOW, NOW)
    assert known.freshness is Freshness.STALE
    assert reason in known.reason


def test_what_somebody_told_of_is_stale_until_it_is_synced() -> None:
    before, after = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    known = judge_known(make_evidence(), NOW, before, NOW)
    assert (known.freshness, known.reason) == (Freshness.STALE, "its host says that it changed")
    assert judge_known(make_evidence(), NOW, after, NOW).freshness is Freshness.FRESH


def test_a_new_repository_is_bumped_too_and_was_never_indexed() -> None:
    known = judge_known(make_evidence(materialized=None), NOW, None, NOW)
    assert known.reason == "never indexed"


def test_a_run_counts_more_than_anything_else() -> None:
    failed = FailureStreak(2, NOW)
    evidence = make_evidence(active_runs=("12345678-9",), failures=failed, materialized=None)
    known = judge_known(evidence, NOW, None, NOW)
    assert (known.freshness, known.reason) == (Freshness.SYNCING, "run 12345678 is in progress")


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        (FailureStreak(1, NOW), "the last run failed or was cancelled, next try at 12:00 UTC"),
        (FailureStreak(3, NOW - timedelta(days=1)), "the last 3 runs failed or were cancelled"),
    ],
)
def test_what_failed_is_failing_until_it_succeeds(failures: FailureStreak, reason: str) -> None:
    known = judge_known(make_evidence(materialized=None, failures=failures), None, NOW, NOW)
    assert (known.freshness, known.reason) == (Freshness.FAILING, reason)


def test_a_failure_is_one_though_nothing_more_is_to_be_done() -> None:
    known = judge_known(make_evidence(failures=FailureStreak(1, NOW)), None, NOW, NOW)
    assert known.freshness is Freshness.FAILING


@pytest.mark.parametrize(
    "status",
    [RepositoryStatus.NOT_FOUND, RepositoryStatus.FORBIDDEN, RepositoryStatus.BLOCKED],
)
@pytest.mark.parametrize("default_branch", ["main", ""])
def test_what_the_host_withholds_is_failing(status: RepositoryStatus, default_branch: str) -> None:
    hosted = replace(HOSTED, status=status, default_branch=default_branch)
    row = replace(ROW, hosted=hosted, status_detail="says the host")
    known = judge_known(make_evidence(row), None, NOW, NOW)
    assert known.freshness is Freshness.FAILING
    assert known.reason.startswith("host said 4")
    assert known.reason.endswith(": says the host")


def test_what_is_archived_is_fresh_once_it_is_indexed() -> None:
    row = replace(ROW, hosted=replace(HOSTED, status=RepositoryStatus.ARCHIVED))
    known = judge_known(make_evidence(row), None, NOW, NOW)
    assert (known.freshness, known.reason) == (Freshness.FRESH, "archived")


def test_an_empty_repository_is_fresh() -> None:
    row = replace(ROW, hosted=replace(HOSTED, default_branch="", pushed_at=None))
    evidence = make_evidence(row, materialized=None, indexed_heads={})
    known = judge_known(evidence, None, NOW, NOW)
    assert (known.freshness, known.reason) == (Freshness.FRESH, "empty: no branch yet")


def test_what_a_host_answered_otherwise_is_not_looked_at() -> None:
    remote = RemoteState(ROW.source, RepositoryStatus.NOT_FOUND)
    asked = make_evidence(remote=remote, branch_heads={})
    assert judge_known(asked, None, NOW, NOW) == judge_known(make_evidence(), None, NOW, NOW)
