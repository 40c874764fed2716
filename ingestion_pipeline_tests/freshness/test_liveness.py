"""Any sequence of pushes, ticks, runs and renames: nothing runs twice, nothing is forgotten.

The machine plays the sensor (over the real functions), the orchestrator (runs that take time and
may fail) and the world (pushes, renames, deleted branches, outages).
"""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, SyncRecord, SyncStatus
from ingestion_pipeline.freshness.check import ask_hosts, decide_all, store_findings
from ingestion_pipeline.freshness.evidence import (
    Action,
    Decision,
    Materialization,
    RunFacts,
    collect_evidence,
    count_failures,
)
from ingestion_pipeline.freshness.selection import select_runs
from ingestion_pipeline.tracking.rename import follow_renames
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted, make_sha
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore

_TRACKED: dict[int, tuple[str, ...]] = {1: (), 2: ("main", "dev"), 3: ("dev",)}
_CAP = 1
_NUMBERS = st.sampled_from(sorted(_TRACKED))
_BRANCHES = st.sampled_from(["main", "dev", "untracked"])


@dataclass(frozen=True)
class _Run:
    run_id: str
    row: TrackedRepository
    pushed_at: str | None
    heads: dict[str, str]
    code_version: str


class FreshnessMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        hosted = [make_hosted(f"o/{n}", n, format_utc(START)) for n in _TRACKED]
        self.heads = {n: {"main": make_sha("m"), "dev": make_sha("d")} for n in _TRACKED}
        self.host = FakeCodeHost(hosted, {f"o/{n}": heads for n, heads in self.heads.items()})
        self.state = FakeStateStore(
            TrackedRepository(h.full_name, h, _TRACKED[n], tracked_at=START)
            for n, h in zip(_TRACKED, hosted, strict=True)
        )
        self.names = {n: f"o/{n}" for n in _TRACKED}
        self.runs: dict[str, _Run] = {}
        self.materialized: dict[str, Materialization] = {}
        self.code_version, self.cursor, self.count = "v1", "", 0
        # A second push within one second cannot be told by pushed_at; the nightly lookup tells.
        self.within_one_second = False

    @initialize(within_one_second=st.booleans(), is_indexed=st.booleans())
    def begin(self, within_one_second: bool, is_indexed: bool) -> None:
        self.within_one_second = within_one_second
        if is_indexed:
            self._settle()

    # -- the world

    @rule(number=_NUMBERS, branch=_BRANCHES)
    def push(self, number: int, branch: str) -> None:
        self.count += 1
        sha = self.heads[number][branch] = make_sha(str(self.count))
        self._change(number, lambda name, at: self.host.push(name, branch, sha, at))

    @rule(number=_NUMBERS)
    def push_to_a_pull_request(self, number: int) -> None:
        self._change(number, self.host.push_elsewhere)

    @rule(number=_NUMBERS)
    def delete_dev(self, number: int) -> None:
        if self.heads[number].pop("dev", None):
            self._change(number, lambda name, at: self.host.delete_branch(name, "dev", at))

    @rule(number=_NUMBERS)
    def rename(self, number: int) -> None:
        self.count += 1
        new = f"o/{number}-{self.count}"
        self.host.rename(self.names[number], new)
        self.names[number] = new

    @rule(number=_NUMBERS, broken=st.booleans())
    def break_or_mend(self, number: int, broken: bool) -> None:
        (self.host.leave_unanswered if broken else self.host.restore)(self.names[number])

    @rule(seconds=st.sampled_from([1, 30, 600, 6 * 3600]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def change_the_pipeline(self) -> None:
        self.code_version = f"v{int(self.code_version[1:]) + 1}"

    # -- the orchestrator

    @rule(nightly=st.booleans())
    def tick(self, nightly: bool) -> None:
        self._tick(nightly)

    def _tick(self, nightly: bool) -> list[Decision]:
        hosts = {SourceKind.GITHUB: self.host}
        report = ask_hosts(self.state.list_repositories(), hosts)
        follow_renames(self.state.list_repositories(), report.states, self.state)
        rows = self.state.list_repositories()
        evidence = collect_evidence(
            rows, report, self._collect_facts(rows), lambda _row: self.code_version
        )
        decisions = decide_all(evidence, hosts, self.clock.now(), look_up_all=nightly)
        assert all(decision.action is not Action.NEEDS_HEADS for decision in decisions)
        store_findings(decisions, report, self.state)
        chosen, self.cursor = select_runs(decisions, _CAP, self.cursor)
        for decision in chosen:
            self._start(decision)
        return decisions

    @precondition(lambda self: self.runs)
    @rule(
        status=st.sampled_from(SyncStatus),
        data=st.data(),
    )
    def finish_a_run(self, status: SyncStatus, data: st.DataObject) -> None:
        self._finish(self.runs[data.draw(st.sampled_from(sorted(self.runs)))], status)

    def _start(self, decision: Decision) -> None:
        row = decision.repository
        assert row.source not in {run.row.source for run in self.runs.values()}, "two at a time"
        now = self.heads[int(row.source.stable_id)]
        heads = {branch: now[branch] for branch in row.tracked_branches if branch in now}
        indexed = self.state.list_heads().get(row.source, {})
        stored = self.materialized.get(row.partition_key)
        assert (
            stored is None
            or stored.code_version != self.code_version
            or any(indexed.get(branch) != sha for branch, sha in heads.items())
        ), f"{decision.reason}: no tracked branch moved"
        self.count += 1
        hosted = self.host.refresh_repository(row)
        run = _Run(f"run{self.count}", row, hosted.pushed_at, heads, self.code_version)
        self.runs[run.run_id] = run

    def _finish(self, run: _Run, status: SyncStatus) -> None:
        del self.runs[run.run_id]
        now = self.clock.now()
        if status is SyncStatus.COMPLETE:
            key, pushed_at = run.row.partition_key, run.pushed_at
            self.materialized[key] = Materialization(pushed_at, run.code_version)
            for branch, sha in run.heads.items():
                indexed = IndexedBranch(
                    branch, sha, pushed_at or "", run.code_version, "code", now, 1, 1, 3
                )
                self.state.commit_branch(run.row.source, indexed)
        record = SyncRecord(run.row.partition_key, run.row.source, run.run_id, status, now, 0.0)
        self.state.record_sync(record)

    def _collect_facts(self, rows: list[TrackedRepository]) -> RunFacts:
        active: dict[str, list[str]] = {}
        for run in self.runs.values():
            active.setdefault(run.row.partition_key, []).append(run.run_id)
        failures = {
            row.partition_key: count_failures(self.state.list_syncs(row.partition_key))
            for row in rows
        }
        return RunFacts(self.materialized, active, failures, self.state.list_heads())

    def _change(self, number: int, change: Callable[[str, str], None]) -> None:
        if not self.within_one_second:
            self.clock.advance(1)
        change(self.names[number], format_utc(self.clock.now()))

    # -- once the world is quiet, everything gets in

    def teardown(self) -> None:
        for name in self.names.values():
            self.host.restore(name)
        for run in list(self.runs.values()):
            self._finish(run, SyncStatus.FAILED)
        self._settle()

    def _settle(self) -> None:
        for _ in range(3 * len(_TRACKED)):
            self.clock.advance(6 * 3600)
            self._tick(self.within_one_second)
            for run in list(self.runs.values()):
                self._finish(run, SyncStatus.COMPLETE)
        decisions = self._tick(self.within_one_second)
        assert not self.runs
        heads = self.state.list_heads()
        for decision in decisions:
            row = decision.repository
            assert row.partition_key == self.names[int(row.source.stable_id)]
            assert decision.action in (Action.UP_TO_DATE, Action.UNAVAILABLE), decision
            now = self.heads[int(row.source.stable_id)]
            for branch in row.tracked_branches:
                if branch in now:
                    assert heads[row.source][branch] == now[branch], decision


FreshnessMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
TestFreshness = FreshnessMachine.TestCase
