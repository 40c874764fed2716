"""The delay after failures, the fair choice, and the summary."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.code_host import FreshnessReport, RateLimit
from ingestion_pipeline.core.state import SyncRecord, SyncStatus
from ingestion_pipeline.freshness.backoff import (
    LONGEST_DELAY_SECONDS,
    compute_delay_seconds,
    compute_next_try,
)
from ingestion_pipeline.freshness.evidence import Action, Decision, FailureStreak, count_failures
from ingestion_pipeline.freshness.selection import select_runs
from ingestion_pipeline.freshness.summary import summarize
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.freshness.evidence_builder import make_decision

NOTHING = FreshnessReport({})


@given(st.text(max_size=20), st.integers(1, 10_000))
def test_the_delay_doubles_up_to_its_cap(key: str, count: int):
    delay = compute_delay_seconds(key, count)
    full = min(60 * 2 ** (count - 1), LONGEST_DELAY_SECONDS)
    assert 0.8 * full < delay <= full
    assert delay == compute_delay_seconds(key, count)


def test_repositories_that_failed_together_do_not_come_back_together():
    assert len({compute_delay_seconds(f"a/{i}", 5) for i in range(100)}) == 100


def test_without_a_failure_there_is_no_delay():
    assert compute_next_try("a/b", FailureStreak()) is None
    with pytest.raises(ValueError, match="first failure"):
        compute_delay_seconds("a/b", 0)


@pytest.mark.parametrize(
    ("newest_first", "expected"),
    [("", 0), ("C", 0), ("F", 1), ("X", 1), ("FXFC", 3), ("CFF", 0), ("FFF", 3)],
)
def test_failures_are_counted_back_to_the_last_success(newest_first: str, expected: int):
    statuses = {"C": SyncStatus.COMPLETE, "F": SyncStatus.FAILED, "X": SyncStatus.CANCELED}
    syncs = [
        SyncRecord("a/b", None, f"r{age}", statuses[letter], START - timedelta(hours=age), 90.0)
        for age, letter in enumerate(newest_first)
    ]
    last = START + timedelta(seconds=90) if expected else None
    assert count_failures(syncs) == FailureStreak(expected, last)


class TestSelectRuns:
    def test_only_stale_ones_are_chosen(self):
        decisions = [make_decision(f"a/{action}", action) for action in Action]
        chosen, cursor = select_runs(decisions, 50)
        assert ([d.partition_key for d in chosen], cursor) == (["a/run"], "a/run")

    def test_nothing_stale_leaves_the_cursor(self):
        assert select_runs([make_decision("a/b", Action.WAIT)], 5, "x/y") == ([], "x/y")
        assert select_runs([make_decision("a/b")], 0, "x/y") == ([], "x/y")

    def test_a_negative_cap_is_a_mistake(self):
        with pytest.raises(ValueError, match="cap"):
            select_runs([], -1)

    def test_ten_thousand_get_their_turn_in_twenty_ticks(self):
        decisions = [make_decision(f"o/{i}") for i in range(10_000)]
        seen: list[str] = []
        cursor = ""
        for _ in range(20):
            chosen, cursor = select_runs(decisions, 500, cursor)
            seen += [d.partition_key for d in chosen]
        assert len(seen) == len(set(seen)) == 10_000

    @given(
        st.integers(1, 5), st.lists(st.sets(st.integers(0, 9)), min_size=11, max_size=11), st.text()
    )
    def test_none_starves_while_others_come_and_go(
        self, cap: int, others: list[set[int]], cursor: str
    ):
        patient, served = "o/5-patient", False
        for stale in others:
            decisions = [make_decision(name) for name in {patient, *(f"o/{i}" for i in stale)}]
            chosen, cursor = select_runs(decisions, cap, cursor)
            assert len(chosen) == min(cap, len(decisions))
            served |= patient in {d.partition_key for d in chosen}
        assert served


class TestSummarize:
    def test_nothing_tracked(self):
        assert summarize([], NOTHING).startswith("Nothing is tracked yet.")

    def test_one(self):
        decisions = [make_decision("a/b", Action.UP_TO_DATE)]
        assert summarize(decisions, NOTHING) == "1 repository: 1 up to date."

    def test_everything(self):
        decisions: list[Decision] = [
            *(make_decision(f"s/{i}") for i in range(1_005)),
            make_decision("w/w", Action.WAIT, "failed once"),
            make_decision("u/u", Action.UNAVAILABLE, "host said 451"),
            make_decision("r/r", Action.REMEMBER),
            make_decision("n/n", Action.UNKNOWN),
        ]
        report = FreshnessReport({}, RateLimit(12, 5_000, START), "GitHub answered 502.")
        assert summarize(decisions, report) == (
            "1,009 repositories: 1,005 stale, 1 waiting, 1 pushed elsewhere, 1 unavailable, "
            "1 not asked. Stale: s/0 (why), s/1 (why), s/2 (why), and 1,002 more. "
            "Waiting: w/w (failed once). Unavailable: u/u (host said 451). "
            "Problem: GitHub answered 502. "
            "Rate limit: 12 of 5,000 left until 2026-01-31T12:00:00Z."
        )
