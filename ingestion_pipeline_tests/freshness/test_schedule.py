"""When a repository is asked about again: Sourcegraph's rule, and what each answer means for it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.freshness.evidence import Action, Decision
from ingestion_pipeline.freshness.schedule import (
    PollLimits,
    compute_idle_seconds,
    compute_interval_seconds,
    plan_next_check,
)
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.freshness.evidence_builder import make_row

HOUR = 3_600.0
LIMITS = PollLimits()
BUMP = START - timedelta(seconds=3)

idle_times = st.floats(-1e6, 1e9)
counts = st.integers(0, 2_000)


@pytest.mark.parametrize(
    ("idle", "interval"),
    [
        (-60, 45),
        (0, 45),
        (90, 45),
        (92, 46),
        (HOUR, HOUR / 2),
        (16 * HOUR, 8 * HOUR),
        (16 * HOUR + 1, 8 * HOUR),
        (1e9, 8 * HOUR),
    ],
)
def test_half_the_time_since_the_last_push(idle: float, interval: float):
    assert compute_interval_seconds(idle) == interval


@given(idle_times, counts)
def test_it_stays_between_its_bounds(idle: float, failures: int):
    assert 45 <= compute_interval_seconds(idle, failures) <= 8 * HOUR


@given(idle_times, idle_times, counts, counts)
def test_it_grows_with_rest_and_with_failures(one: float, other: float, few: int, many: int):
    early, late = sorted((one, other))
    less, more = sorted((few, many))
    assert compute_interval_seconds(early, less) <= compute_interval_seconds(late, more)


@given(idle_times, st.integers(0, 30))
def test_each_failure_doubles_it_up_to_the_longest(idle: float, failures: int):
    before = compute_interval_seconds(idle, failures)
    after = compute_interval_seconds(idle, failures + 1)
    assert after == min(2 * before, 8 * HOUR)


@given(idle_times, counts)
def test_it_is_the_same_every_time(idle: float, failures: int):
    assert compute_interval_seconds(idle, failures) == compute_interval_seconds(idle, failures)


def test_the_longest_wins_over_the_shortest():
    assert compute_interval_seconds(0, 0, PollLimits(100, 10)) == 10


def test_there_are_no_negative_failures():
    with pytest.raises(ValueError, match="below 0"):
        compute_interval_seconds(0, -1)


def _decide(action: Action, **changes: Any) -> Decision:
    return replace(Decision(make_row(), action, "because"), **changes)


def _see(pushed_at: str | None) -> RemoteState:
    return RemoteState(make_row().source, RepositoryStatus.ACTIVE, pushed_at=pushed_at)


def _ago(seconds: float) -> str:
    return format_utc(START - timedelta(seconds=seconds))


class TestIdleTime:
    def test_the_hosts_newest_answer_counts(self):
        assert compute_idle_seconds(_decide(Action.UP_TO_DATE), _see(_ago(7)), START) == 7

    def test_microseconds_of_a_local_repository_are_read(self):
        moment = "2026-01-31T11:59:50.250000Z"
        assert compute_idle_seconds(_decide(Action.UP_TO_DATE), _see(moment), START) == 9.75

    @pytest.mark.parametrize("pushed_at", [None, "", "yesterday", "2026-01-31T11:00:00"])
    def test_without_an_answer_what_was_known_counts(self, pushed_at: str | None):
        row = make_row()
        decision = _decide(Action.UNKNOWN, repository=_with_push(row, _ago(9)))
        assert compute_idle_seconds(decision, _see(pushed_at), START) == 9
        assert compute_idle_seconds(decision, None, START) == 9

    def test_never_pushed_counts_from_the_beginning_of_tracking(self):
        row = replace(_with_push(make_row(), None), tracked_at=START - timedelta(seconds=5))
        assert compute_idle_seconds(_decide(Action.UNKNOWN, repository=row), None, START) == 5
        row = replace(row, tracked_at=None)
        assert compute_idle_seconds(_decide(Action.UNKNOWN, repository=row), None, START) == 0


def _with_push(row: Any, pushed_at: str | None) -> Any:
    return replace(row, hosted=replace(row.hosted, pushed_at=pushed_at))


def _plan(
    decision: Decision,
    known: CheckSchedule | None = None,
    *,
    idle: float = HOUR,
    **options: bool,
) -> CheckSchedule:
    known = known or CheckSchedule()
    return plan_next_check(decision, known, _see(_ago(idle)), START, LIMITS, **options)


def _after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class TestPlan:
    @pytest.mark.parametrize("action", [Action.UP_TO_DATE, Action.REMEMBER])
    def test_what_needs_nothing_is_asked_about_by_the_rule(self, action: Action):
        plan = _plan(_decide(action), CheckSchedule(START, 5))
        assert plan == CheckSchedule(_after(HOUR / 2))

    def test_a_run_that_was_asked_for_is_looked_after_at_once(self):
        plan = _plan(_decide(Action.RUN), CheckSchedule(None, 2, BUMP), starts=True, is_stale=True)
        assert plan == CheckSchedule(START, 0, BUMP)

    def test_what_the_cap_left_out_is_asked_about_at_once_and_keeps_its_bump(self):
        assert _plan(_decide(Action.RUN), CheckSchedule(None, 0, BUMP)) == CheckSchedule(START)

    def test_what_every_tick_looks_at_anyway_is_not_asked_about_twice(self):
        plan = _plan(_decide(Action.RUN), CheckSchedule(None, 0, BUMP), is_stale=True)
        assert plan == CheckSchedule(_after(HOUR / 2))

    def test_after_a_failed_run_it_is_looked_at_when_it_may_run_again(self):
        decision = _decide(Action.WAIT, next_try_at=_after(77))
        assert _plan(decision, CheckSchedule(None, 3, BUMP)) == CheckSchedule(_after(77), 0, BUMP)

    def test_a_run_in_progress_leaves_the_bump_for_afterwards(self):
        plan = _plan(_decide(Action.WAIT), CheckSchedule(None, 0, BUMP))
        assert plan == CheckSchedule(_after(45))

    def test_no_answer_doubles_the_interval_and_answers_no_bump(self):
        plan = _plan(_decide(Action.UNKNOWN), CheckSchedule(None, 1, BUMP), idle=180)
        assert plan == CheckSchedule(_after(4 * 90), 2)

    def test_an_answer_ends_the_doubling(self):
        assert _plan(_decide(Action.UP_TO_DATE), CheckSchedule(None, 9)).failures == 0

    def test_what_the_host_does_not_give_us_is_asked_about_less_and_less(self):
        gone = _decide(Action.UNAVAILABLE)
        plan = _plan(gone, CheckSchedule(None, 1, BUMP), idle=180)
        assert plan == CheckSchedule(_after(4 * 90), 2, BUMP)

    def test_a_missing_branch_does_not_slow_the_others_down(self):
        row = make_row(branches=("main", "dev"))
        partly = _decide(Action.UNAVAILABLE, repository=row, gone_branches=("dev",))
        assert _plan(partly) == CheckSchedule(_after(HOUR / 2))
        wholly = replace(partly, gone_branches=("main", "dev"))
        assert _plan(wholly) == CheckSchedule(_after(HOUR), 1)

    def test_a_bump_that_the_host_knows_nothing_of_yet_is_looked_at_once_more(self):
        plan = _plan(_decide(Action.UP_TO_DATE), CheckSchedule(None, 0, BUMP))
        assert plan == CheckSchedule(_after(45), 0, BUMP)

    @given(
        action=st.sampled_from([a for a in Action if a is not Action.NEEDS_HEADS]),
        idle=st.floats(0, 1e7),
        failures=st.integers(0, 99),
        is_bumped=st.booleans(),
        starts=st.booleans(),
        is_stale=st.booleans(),
    )
    def test_nothing_is_ever_out_of_sight_for_longer_than_the_longest_interval(
        self,
        action: Action,
        idle: float,
        failures: int,
        is_bumped: bool,
        starts: bool,
        is_stale: bool,
    ):
        known = CheckSchedule(None, failures, BUMP if is_bumped else None)
        plan = _plan(_decide(action), known, idle=idle, starts=starts, is_stale=is_stale)
        assert plan.next_check_at is not None
        assert START <= plan.next_check_at <= _after(8 * HOUR)
        assert plan.bumped_at in (None, known.bumped_at)
        assert plan.failures in (0, failures + 1)
