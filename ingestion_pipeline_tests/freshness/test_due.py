"""What one tick asks about, in which order, and with how little of the allowance."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.code_host import RateLimit
from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.core.state import CheckSchedule
from ingestion_pipeline.freshness.due import (
    Standing,
    TickLimits,
    choose_due,
    compute_share,
    find_next_check,
    make_standings,
)
from ingestion_pipeline.freshness.evidence import Evidence, FailureStreak, Materialization
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.freshness.evidence_builder import VERSION, make_row

LIMITS = TickLimits(repositories=100, stale=10)
NEVER = CheckSchedule()


def _at(seconds: float, failures: int = 0) -> CheckSchedule:
    return CheckSchedule(START + timedelta(seconds=seconds), failures)


def _bumped(seconds: float = 0) -> CheckSchedule:
    return replace(_at(3_600), bumped_at=START + timedelta(seconds=seconds))


def _stand(
    name: str, schedule: CheckSchedule, *, stale: bool = False, running: bool = False
) -> Standing:
    number = int.from_bytes(name.encode())
    return Standing(make_row(f"o/{name}", number), schedule, stale, running)


def _local(name: str, schedule: CheckSchedule) -> Standing:
    standing = _stand(name, schedule)
    row = standing.repository
    source = SourceId(SourceKind.LOCAL, row.source.stable_id)
    return replace(standing, repository=replace(row, hosted=replace(row.hosted, source=source)))


def _choose(*standings: Standing, limits: TickLimits = LIMITS, after: str = "") -> list[str]:
    chosen = choose_due(standings, START, limits, after)
    return [standing.repository.partition_key.removeprefix("o/") for standing in chosen]


def test_only_those_whose_time_has_come():
    found = _choose(_stand("a", _at(-1)), _stand("b", _at(0)), _stand("c", _at(1)))
    assert found == ["a", "b"]


def test_never_checked_is_due_and_first_of_the_due():
    assert _choose(_stand("a", _at(-9)), _stand("b", NEVER)) == ["b", "a"]


def test_the_order_of_urgency():
    found = _choose(
        _stand("failed", _at(-999, failures=1)),
        _stand("late", _at(-9)),
        _stand("later", _at(-99)),
        _stand("stale", _at(3_600), stale=True),
        _stand("second", _bumped(-1)),
        _stand("first", _bumped(-2)),
    )
    assert found == ["first", "second", "stale", "later", "late", "failed"]


def test_the_window_cuts_the_least_urgent():
    rows = [_stand("failed", _at(-99, 1)), _stand("due", _at(-9)), _stand("bumped", _bumped())]
    assert _choose(*rows, limits=replace(LIMITS, repositories=2)) == ["bumped", "due"]


def test_a_run_in_progress_is_left_alone_even_when_bumped():
    assert _choose(_stand("a", _bumped(), running=True), _stand("b", NEVER, running=True)) == []


def test_stale_ones_go_round_and_are_no_more_than_can_run():
    rows = [_stand(name, _at(3_600), stale=True) for name in "abcd"]
    limits = replace(LIMITS, stale=2)
    assert _choose(*rows, limits=limits) == ["a", "b"]
    assert _choose(*rows, limits=limits, after="o/c") == ["d", "a"]


def test_a_stale_one_beyond_that_is_asked_about_when_it_is_due():
    rows = [_stand("a", _at(9), stale=True), _stand("b", _at(-9), stale=True)]
    assert _choose(*rows, limits=replace(LIMITS, stale=1)) == ["a", "b"]


def test_a_stale_one_that_brought_no_answer_waits_for_its_time():
    assert _choose(_stand("a", _at(9, failures=1), stale=True)) == []


def test_a_time_that_only_a_wrong_clock_can_have_noted_does_not_count():
    assert _choose(_stand("a", _at(8 * 3_600)), _stand("b", _at(8 * 3_600 + 1))) == ["b"]


class TestWhatIsStale:
    def _is_stale(self, **changes: object) -> bool:
        row = make_row()
        evidence = Evidence(
            row, None, Materialization("P", VERSION), VERSION, indexed_heads={"main": "sha"}
        )
        [standing] = make_standings([replace(evidence, **changes)], {}, START)  # type: ignore[arg-type]
        return standing.is_stale

    def test_what_was_indexed_by_this_pipeline_is_not(self):
        assert not self._is_stale()

    def test_never_indexed_by_another_pipeline_or_cut_short_is(self):
        assert self._is_stale(materialized=None)
        assert self._is_stale(materialized=Materialization("P", "other"))
        assert self._is_stale(indexed_heads={"main": "sha", "dev": ""})

    def test_what_failed_waits_first(self):
        failures = FailureStreak(1, START)
        assert not self._is_stale(materialized=None, failures=failures)
        long_ago = FailureStreak(1, START - timedelta(days=1))
        assert self._is_stale(materialized=None, failures=long_ago)

    def test_schedules_and_runs_are_found(self):
        row = make_row()
        evidence = Evidence(row, None, None, VERSION, active_runs=("run",))
        [standing] = make_standings([evidence], {row.source: _at(5)}, START)
        assert (standing.schedule, standing.is_running) == (_at(5), True)


def _left(remaining: int, limit: int = 1_000, seconds: float = 600) -> RateLimit:
    return RateLimit(remaining, limit, START + timedelta(seconds=seconds))


class TestRateLimit:
    @pytest.mark.parametrize(
        ("limit", "share"),
        [
            (None, 1),
            (_left(1_000), 1),
            (_left(300), 1),
            (_left(200), 0.5),
            (_left(100), 0),
            (_left(0), 0),
            (_left(0, seconds=0), 1),
            (RateLimit(0, 1_000, None), 1),
            (RateLimit(0, 0, START + timedelta(1)), 1),
        ],
    )
    def test_the_share_falls_with_what_is_left(self, limit: RateLimit | None, share: float):
        assert compute_share(limit, START) == pytest.approx(share)

    def test_bumped_ones_are_asked_about_when_others_wait(self):
        rows = [_stand("a", NEVER), _stand("b", _bumped()), _stand("c", NEVER, stale=True)]
        assert _choose(*rows, limits=replace(LIMITS, rate_limit=_left(50))) == ["b"]

    def test_nothing_left_is_nothing_asked(self):
        rows = [_stand("a", NEVER), _stand("b", _bumped())]
        assert _choose(*rows, limits=replace(LIMITS, rate_limit=_left(0))) == []
        assert _choose(*rows, limits=replace(LIMITS, rate_limit=_left(0, seconds=-1))) == ["b", "a"]

    def test_local_repositories_cost_nothing(self):
        rows = [_local("a", NEVER), _local("b", _bumped()), _stand("c", _bumped())]
        assert _choose(*rows, limits=replace(LIMITS, rate_limit=_left(0))) == ["b", "a"]

    def test_little_left_is_spread_over_the_most_urgent(self):
        rows = [_stand(name, _at(-number)) for number, name in enumerate("abcd")]
        assert _choose(*rows, limits=replace(LIMITS, rate_limit=_left(200))) == ["d", "c"]

    @given(
        due=st.integers(0, 40),
        bumped=st.integers(0, 5),
        left=st.integers(0, 60),
        cost=st.booleans(),
    )
    def test_the_allowance_is_never_overdrawn(self, due: int, bumped: int, left: int, cost: bool):
        """However often it ticks before the reset, and whatever an answer costs."""
        rows = [_stand(f"d{n}", NEVER) for n in range(due)]
        rows += [_stand(f"b{n}", _bumped()) for n in range(bumped)]
        for _ in range(20):
            limits = replace(LIMITS, rate_limit=_left(left, limit=60))
            chosen = choose_due(rows, START, limits)
            left -= len(chosen) if cost else min(1, len(chosen))
            assert left >= 0 or len(chosen) == 0


@given(st.permutations(range(8)), st.integers(0, 10))
def test_the_choice_does_not_depend_on_the_order_of_the_rows(order: list[int], size: int):
    rows = [
        _stand("a", NEVER),
        _stand("b", _at(-1)),
        _stand("c", _at(-1)),
        _stand("d", _at(-5, 2)),
        _stand("e", _bumped()),
        _stand("f", _bumped()),
        _stand("g", _at(9), stale=True),
        _stand("h", _at(9)),
    ]
    limits = replace(LIMITS, repositories=size)
    assert _choose(*(rows[n] for n in order), limits=limits) == _choose(*rows, limits=limits)


def test_the_earliest_time_that_somebody_waits_for():
    assert find_next_check([]) is None
    rows = [_stand("a", _at(9)), _stand("b", _at(5)), _stand("c", _at(1), running=True)]
    assert find_next_check(rows) == START + timedelta(seconds=5)
