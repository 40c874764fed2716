"""The table of decisions."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.freshness.backoff import compute_next_try
from ingestion_pipeline.freshness.decide import decide
from ingestion_pipeline.freshness.evidence import Action, Evidence, FailureStreak, Materialization
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.freshness.evidence_builder import (
    NEW,
    OLD,
    VERSION,
    make_evidence,
    make_remote,
    make_row,
)

BOTH = make_row(branches=("main", "dev"))
INDEXED = {"main": OLD, "dev": OLD}
FAILED = FailureStreak(3, START)
EMPTY = make_row(hosted=replace(make_hosted(), default_branch=""))

CASES: list[tuple[str, dict[str, Any], Action, str]] = [
    ("nothing new", {}, Action.UP_TO_DATE, "^up to date$"),
    ("never materialized", {"materialized": None, "indexed_heads": {}}, Action.RUN,
     "^never indexed$"),
    ("never materialized, heads unknown",
     {"materialized": None, "remote": make_remote(heads={})}, Action.RUN, "^never indexed$"),
    ("renamed", {"materialized": None, "repository": make_row(former_keys=("a/a", "a/b"))},
     Action.RUN, "^renamed from a/b$"),
    ("renamed before it was ever indexed",
     {"materialized": None, "indexed_heads": {}, "repository": make_row(former_keys=("a/b",))},
     Action.RUN, "^never indexed$"),
    ("pipeline changed", {"materialized": Materialization("P1", "parser-0+hashbag-1")},
     Action.RUN, r"^pipeline changed \(parser-1\)$"),
    ("pipeline of another shape", {"code_version": "hashbag-1"}, Action.RUN,
     r"^pipeline changed \(parser-1\+hashbag-1 → hashbag-1\)$"),
    ("version never stored", {"materialized": Materialization("P1", None)}, Action.RUN,
     "pipeline changed"),
    ("head moved", {"remote": make_remote(pushed_at="P2", heads={"main": NEW})}, Action.RUN,
     "^pushed P2: main moved from aaaaaaa to bbbbbbb$"),
    ("head moved within the second of the last push", {"remote": make_remote(heads={"main": NEW})},
     Action.RUN, "main moved"),
    ("head moved in a push already seen",
     {"remote": make_remote(pushed_at="P2", heads={"main": NEW}),
      "repository": make_row(pushed_at_seen="P2")}, Action.RUN, "main moved"),
    ("pushed, nothing moved", {"remote": make_remote(pushed_at="P2")}, Action.REMEMBER,
     "^pushed P2 without moving a tracked branch$"),
    ("pushed, nothing moved, remembered",
     {"remote": make_remote(pushed_at="P2"), "repository": make_row(pushed_at_seen="P2")},
     Action.UP_TO_DATE, "^up to date$"),
    ("pushed, heads unknown", {"remote": make_remote(pushed_at="P2", heads={})},
     Action.NEEDS_HEADS, "looked up"),
    ("pushed, one head unknown",
     {"repository": BOTH, "indexed_heads": INDEXED, "remote": make_remote(pushed_at="P2")},
     Action.NEEDS_HEADS, "looked up"),
    ("remembered, heads unknown",
     {"remote": make_remote(pushed_at="P2", heads={}), "repository": make_row(pushed_at_seen="P2")},
     Action.UP_TO_DATE, "^up to date$"),
    ("not pushed, heads unknown", {"remote": make_remote(heads={})}, Action.UP_TO_DATE,
     "^up to date$"),
    ("one head moved, the other unknown: no lookup is needed",
     {"repository": BOTH, "indexed_heads": INDEXED, "remote": make_remote(heads={"main": NEW})},
     Action.RUN, "main moved"),
    ("looked up, moved", {"repository": BOTH, "indexed_heads": INDEXED,
     "branch_heads": {"main": OLD, "dev": NEW}}, Action.RUN, "dev moved"),
    ("looked up, nothing moved",
     {"repository": BOTH, "indexed_heads": INDEXED, "remote": make_remote(pushed_at="P2"),
      "branch_heads": INDEXED}, Action.REMEMBER, "P2"),
    ("a lookup is newer than the check",
     {"remote": make_remote(pushed_at="P2", heads={"main": NEW}), "branch_heads": {"main": OLD}},
     Action.REMEMBER, "P2"),
    ("a branch tracked since", {"repository": BOTH}, Action.NEEDS_HEADS, "looked up"),
    ("a branch whose last sync was cut short",
     {"repository": BOTH, "indexed_heads": {"main": OLD, "dev": ""}}, Action.NEEDS_HEADS,
     "looked up"),
    ("a branch tracked since, looked up",
     {"repository": BOTH, "branch_heads": {"main": OLD, "dev": NEW}}, Action.RUN,
     "dev was never indexed, is at bbbbbbb"),
    ("a branch not tracked any more", {"indexed_heads": INDEXED}, Action.RUN,
     "^branch dev is not tracked any more$"),
    ("state lost", {"indexed_heads": {}}, Action.RUN, "main was never indexed"),
    ("default branch renamed",
     {"remote": make_remote(default_branch="trunk", heads={"trunk": OLD})}, Action.RUN,
     "trunk was never indexed"),
    ("default branch renamed, given branches stay",
     {"repository": make_row(branches=("main",)), "remote": make_remote(default_branch="trunk")},
     Action.UP_TO_DATE, "^up to date$"),
    ("no push date, as for local repositories",
     {"remote": make_remote(pushed_at=None), "materialized": Materialization("", VERSION)},
     Action.UP_TO_DATE, "^up to date$"),
    ("no push date, head moved",
     {"remote": make_remote(pushed_at=None, heads={"main": NEW}),
      "materialized": Materialization(None, VERSION)}, Action.RUN, "^main moved from"),
    ("only branch gone", {"branch_heads": {}}, Action.UNAVAILABLE,
     "^branch main does not exist at the host$"),
    ("only branch gone, never indexed",
     {"branch_heads": {}, "materialized": None, "indexed_heads": {}}, Action.UNAVAILABLE,
     "branch main does not exist"),
    ("one branch gone, the other moved",
     {"repository": BOTH, "indexed_heads": INDEXED, "branch_heads": {"main": NEW}}, Action.RUN,
     "main moved.*; branch dev does not exist at the host$"),
    ("one branch gone, the other did not move",
     {"repository": BOTH, "indexed_heads": INDEXED, "branch_heads": {"main": OLD},
      "remote": make_remote(pushed_at="P2")}, Action.UNAVAILABLE, "branch dev does not exist"),
    ("one branch gone, pipeline changed",
     {"repository": BOTH, "indexed_heads": INDEXED, "branch_heads": {"main": OLD},
      "code_version": "x"}, Action.RUN, "pipeline changed.*; branch dev does not exist"),
    ("empty repository",
     {"repository": EMPTY, "remote": make_remote(default_branch="", heads={}, pushed_at=None),
      "materialized": None, "indexed_heads": {}}, Action.UNAVAILABLE, "^empty: no branch yet$"),
    ("not asked", {"remote": None}, Action.UNKNOWN, "could not be asked"),
    ("not asked, never indexed", {"remote": None, "materialized": None}, Action.UNKNOWN, "asked"),
    ("gone", {"remote": make_remote(status=RepositoryStatus.NOT_FOUND, detail="Not Found")},
     Action.UNAVAILABLE, "^host said 404 .*: Not Found$"),
    ("forbidden", {"remote": make_remote(status=RepositoryStatus.FORBIDDEN), "materialized": None},
     Action.UNAVAILABLE, "^host said 403"),
    ("blocked", {"remote": make_remote(status=RepositoryStatus.BLOCKED, detail="DMCA")},
     Action.UNAVAILABLE, "^host said 451 .*: DMCA$"),
    ("archived", {"remote": make_remote(status=RepositoryStatus.ARCHIVED)}, Action.UP_TO_DATE,
     "^archived$"),
    ("archived, never indexed",
     {"remote": make_remote(status=RepositoryStatus.ARCHIVED), "materialized": None}, Action.RUN,
     "^never indexed$"),
    ("archived, moved before that",
     {"remote": make_remote(status=RepositoryStatus.ARCHIVED, pushed_at="P2",
      heads={"main": NEW})}, Action.RUN, "main moved"),
    ("archived, missing from the new index",
     {"remote": make_remote(status=RepositoryStatus.ARCHIVED), "code_version": "x"}, Action.RUN,
     "pipeline changed"),
    ("in progress", {"active_runs": ("1a2b3c4d-5e6f",), "materialized": None}, Action.WAIT,
     "^run 1a2b3c4d is in progress$"),
    ("two in progress", {"active_runs": ("r1", "r2")}, Action.WAIT, "^run r1, r2 are in progress$"),
    ("failed, nothing to do now", {"failures": FAILED}, Action.UP_TO_DATE, "^up to date$"),
    ("failed", {"failures": FAILED, "materialized": None}, Action.WAIT,
     r"^failed 3 times, next try at 12:0\d:\d\d UTC$"),
    ("failed once", {"failures": FailureStreak(1, START), "materialized": None}, Action.WAIT,
     "^failed once,"),
    ("failed, and a lookup would be needed",
     {"failures": FAILED, "remote": make_remote(pushed_at="P2", heads={})}, Action.WAIT, "failed"),
    ("failed, and the branch is known to be gone",
     {"failures": FAILED, "materialized": None, "branch_heads": {}}, Action.UNAVAILABLE, "main"),
    ("failed long ago",
     {"failures": FailureStreak(9, START - timedelta(hours=7)), "materialized": None}, Action.RUN,
     "^never indexed$"),
    ("failed long ago, heads unknown",
     {"failures": FailureStreak(9, START - timedelta(hours=7)), "materialized": None,
      "remote": make_remote(heads={})}, Action.NEEDS_HEADS, "looked up"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "action", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_decision(changes: dict[str, Any], action: Action, reason: str):
    decision = decide(make_evidence(**changes), START)
    assert (decision.action, bool(re.search(reason, decision.reason))) == (action, True), decision


def test_a_run_names_the_branches_it_will_not_find():
    evidence = make_evidence(repository=BOTH, indexed_heads=INDEXED, branch_heads={"main": NEW})
    assert decide(evidence, START).gone_branches == ("dev",)


def test_it_runs_from_the_very_second_of_its_next_try():
    evidence = make_evidence(materialized=None, failures=FAILED)
    next_try = compute_next_try("octo/cat", FAILED)
    assert next_try is not None
    assert decide(evidence, START).next_try_at == next_try
    assert decide(evidence, next_try - timedelta(microseconds=1)).action is Action.WAIT
    assert decide(evidence, next_try).action is Action.RUN


_SHA = st.sampled_from([OLD, NEW])
_BRANCH = st.sampled_from(["main", "dev"])
_HEADS = st.dictionaries(_BRANCH, _SHA)
_PUSHED = st.sampled_from(["P1", "P2", None])


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    branches = draw(st.sampled_from([(), ("main",), ("dev",), ("main", "dev")]))
    statuses = st.sampled_from(list(RepositoryStatus))
    remote = make_remote(pushed_at=draw(_PUSHED), heads=draw(_HEADS), status=draw(statuses))
    versions = st.sampled_from([VERSION, "other", None])
    return make_evidence(
        repository=make_row(branches=branches, pushed_at_seen=draw(_PUSHED)),
        remote=draw(st.sampled_from([remote, None])),
        materialized=draw(st.none() | st.builds(Materialization, _PUSHED, versions)),
        indexed_heads=draw(_HEADS),
        active_runs=draw(st.sampled_from([(), ("r1",)])),
        failures=draw(st.sampled_from([FailureStreak(), FAILED])),
        branch_heads=draw(st.none() | _HEADS),
    )


@given(evidences())
def test_every_decision_keeps_the_rules(evidence: Evidence):
    decision = decide(evidence, START)
    remote = evidence.remote
    assert decision.reason
    if decision.action is Action.NEEDS_HEADS:
        assert evidence.branch_heads is None
    if decision.action in (Action.RUN, Action.REMEMBER, Action.NEEDS_HEADS):
        assert not evidence.active_runs
        assert remote is not None
        assert remote.status in (RepositoryStatus.ACTIVE, RepositoryStatus.ARCHIVED)
    if decision.action is Action.REMEMBER and remote is not None:
        known = remote.heads if evidence.branch_heads is None else evidence.branch_heads
        branches = evidence.repository.tracked_branches
        assert all(known[name] == evidence.indexed_heads[name] for name in branches)


@given(evidences())
def test_a_lookup_always_settles_it(evidence: Evidence):
    settled = decide(replace(evidence, branch_heads={"main": OLD}), START)
    assert settled.action is not Action.NEEDS_HEADS


@given(evidences())
def test_remembering_a_push_is_enough(evidence: Evidence):
    decision = decide(evidence, START)
    if decision.action is Action.REMEMBER:
        row = replace(evidence.repository, pushed_at_seen=decision.pushed_at)
        assert decide(replace(evidence, repository=row), START).action is Action.UP_TO_DATE


def test_a_failure_noted_by_a_clock_that_was_fast_does_not_hold_a_repository_up() -> None:
    moved = make_evidence(
        remote=make_remote(heads={"main": NEW}),
        failures=FailureStreak(1, START + timedelta(days=9)),
    )
    assert decide(moved, START).action is Action.RUN
    assert decide(moved, START + timedelta(days=9)).action is Action.WAIT
