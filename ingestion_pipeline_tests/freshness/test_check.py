"""One check over the ports."""

from dataclasses import replace

from ingestion_pipeline.core.code_host import FreshnessReport, RateLimit, RemoteState
from ingestion_pipeline.core.errors import HostUnavailableError, RepositoryBlockedError
from ingestion_pipeline.core.repositories import (
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.freshness.check import ask_hosts, decide_all, store_findings
from ingestion_pipeline.freshness.evidence import (
    Action,
    Decision,
    FailureStreak,
    Materialization,
    RunFacts,
    collect_evidence,
)
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted, make_sha
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.freshness.evidence_builder import VERSION, make_remote, make_row

GITHUB = SourceKind.GITHUB
ROW = make_row()
HEAD = make_sha("octo/cat")


def _facts(row: TrackedRepository, heads: dict[str, str]) -> RunFacts:
    stored = Materialization(row.hosted.pushed_at, VERSION)
    return RunFacts({row.partition_key: stored}, indexed_heads={row.source: heads})


def _check(
    host: FakeCodeHost, row: TrackedRepository, facts: RunFacts, *, look_up_all: bool = False
) -> Decision:
    hosts = {GITHUB: host}
    report = ask_hosts([row], hosts)
    evidence = collect_evidence([row], report, facts, lambda _row: VERSION)
    return decide_all(evidence, hosts, START, look_up_all=look_up_all)[0]


class TestAskHosts:
    def test_hosts_are_asked_once_each_and_their_answers_merged(self):
        local = replace(
            make_hosted("local/app", 2), source=SourceId(SourceKind.LOCAL, "2"), clone_url="/app"
        )
        rows = [ROW, TrackedRepository("local/app", local)]
        limit = RateLimit(5, 10, None)
        github = FakeCodeHost([ROW.hosted], rate_limit=RateLimit(9, 10, None))
        folder = FakeCodeHost([local], rate_limit=limit)
        folder.leave_unanswered("local/app")
        report = ask_hosts(rows, {GITHUB: github, SourceKind.LOCAL: folder})
        assert set(report.states) == {ROW.source}
        assert report.rate_limit == limit
        assert report.problem == "1 of 1 were not answered"
        assert (github.checked, folder.checked) == ((("octo/cat",),), (("local/app",),))

    def test_a_kind_without_a_host_is_a_problem_and_no_silence(self):
        report = ask_hosts([ROW], {})
        assert (dict(report.states), report.problem) == (
            {},
            "1 github repositories cannot be asked from here.",
        )

    def test_nothing_tracked_asks_nobody(self):
        host = FakeCodeHost()
        assert ask_hosts([], {GITHUB: host}) == FreshnessReport({})
        assert host.calls == ()


class TestDecideAll:
    def test_heads_are_looked_up_only_where_they_can_tell(self):
        host = FakeCodeHost([ROW.hosted], heads_in_checks=False)
        assert _check(host, ROW, _facts(ROW, {"main": HEAD})).action is Action.UP_TO_DATE
        host.push_elsewhere("octo/cat", "P2")
        assert _check(host, ROW, _facts(ROW, {"main": HEAD})).action is Action.REMEMBER
        assert [call[0] for call in host.calls] == [
            "check_freshness",
            "check_freshness",
            "get_branch_heads",
        ]

    def test_the_nightly_lookup_sees_a_second_push_within_one_second(self):
        row = make_row(branches=("dev",))
        pushed_at = row.hosted.pushed_at or ""
        host = FakeCodeHost([row.hosted], {"octo/cat": {"main": HEAD, "dev": HEAD}})
        host.push("octo/cat", "dev", make_sha("new"), pushed_at)
        facts = _facts(row, {"dev": HEAD})
        assert _check(host, row, facts).action is Action.UP_TO_DATE
        nightly = _check(host, row, facts, look_up_all=True)
        assert (nightly.action, "dev moved" in nightly.reason) == (Action.RUN, True)

    def test_heads_that_could_not_be_looked_up_are_unknown(self):
        class Half(FakeCodeHost):
            """Breaks down between the check and the lookup."""

            def check_freshness(self, repositories: object) -> FreshnessReport:
                report = super().check_freshness([ROW])
                self.break_down(HostUnavailableError("502"))
                return report

        host = Half([ROW.hosted], heads_in_checks=False)
        host.push_elsewhere("octo/cat", "P2")
        decision = _check(host, ROW, _facts(ROW, {"main": HEAD}))
        assert (decision.action, decision.reason) == (
            Action.UNKNOWN,
            "its branch heads could not be looked up this time",
        )

    def test_a_renamed_default_branch_is_looked_up_under_its_new_name(self):
        trunk = replace(ROW.hosted, default_branch="trunk", pushed_at="P2")
        host = FakeCodeHost([trunk], {"octo/cat": {"trunk": HEAD}}, heads_in_checks=False)
        decision = _check(host, ROW, _facts(ROW, {"main": HEAD}))
        assert decision.action is Action.RUN
        assert "trunk was never indexed" in decision.reason

    def test_an_outage_is_unknown_and_says_so(self):
        host = FakeCodeHost([ROW.hosted])
        host.break_down(HostUnavailableError("502"))
        decision = _check(host, ROW, _facts(ROW, {}), look_up_all=True)
        assert decision.action is Action.UNKNOWN

    def test_an_unavailable_one_is_not_looked_up(self):
        host = FakeCodeHost([ROW.hosted])
        host.refuse("octo/cat", RepositoryBlockedError("DMCA"))
        decision = _check(host, ROW, _facts(ROW, {}), look_up_all=True)
        assert decision.action is Action.UNAVAILABLE
        assert [call for call in host.calls if call[1:]] == [("check_freshness", "octo/cat")]


class TestCollectEvidence:
    def test_a_run_under_a_former_key_is_in_progress(self):
        row = make_row("octo/new", former_keys=("octo/old",))
        facts = RunFacts(active_runs={"octo/old": ["r1"], "octo/new": ["r2"]})
        evidence = collect_evidence([row], FreshnessReport({}), facts, lambda _row: VERSION)
        assert evidence[0].active_runs == ("r2", "r1")

    def test_a_former_key_that_another_repository_has_now_is_the_others(self):
        rows = [make_row("octo/new", former_keys=("octo/old",)), make_row("octo/old", 2)]
        facts = RunFacts(active_runs={"octo/old": ["r1"]})
        evidence = collect_evidence(rows, FreshnessReport({}), facts, lambda _row: VERSION)
        assert [item.active_runs for item in evidence] == [(), ("r1",)]

    def test_everything_is_found_under_its_key_or_source(self):
        remote, failures = make_remote(), FailureStreak(1, START)
        stored = Materialization("P1", VERSION)
        facts = RunFacts(
            {"octo/cat": stored}, {}, {"octo/cat": failures}, {ROW.source: {"main": HEAD}}
        )
        item = collect_evidence(
            [ROW], FreshnessReport({ROW.source: remote}), facts, lambda _row: VERSION
        )[0]
        assert (item.remote, item.materialized, item.failures) == (remote, stored, failures)
        assert item.indexed_heads == {"main": HEAD}


class TestStoreFindings:
    def test_pushes_that_need_no_run_are_remembered_and_others_not(self):
        other = make_row("octo/dog", 2)
        state = FakeStateStore([ROW, other])
        decisions = [
            Decision(ROW, Action.REMEMBER, "", "P2"),
            Decision(other, Action.RUN, "", "P2"),
        ]
        store_findings(decisions, FreshnessReport({}), state)
        assert [row.pushed_at_seen for row in state.list_repositories()] == ["P2", None]

    def test_a_status_is_stored_when_it_changes_and_when_it_is_over(self):
        state = FakeStateStore([ROW])
        for status, detail, shown in (
            (RepositoryStatus.BLOCKED, "DMCA", "DMCA"),
            (RepositoryStatus.BLOCKED, "DMCA, since May", "DMCA, since May"),
            (RepositoryStatus.ACTIVE, "ignored", ""),
        ):
            row = state.list_repositories()[0]
            remote = RemoteState(ROW.source, status, detail)
            decision = Decision(row, Action.UNAVAILABLE, "")
            store_findings([decision], FreshnessReport({ROW.source: remote}), state)
            row = state.list_repositories()[0]
            assert (row.hosted.status, row.status_detail) == (status, shown)

    def test_one_that_could_not_be_asked_keeps_its_status(self):
        state = FakeStateStore([ROW])
        store_findings([Decision(ROW, Action.UNKNOWN, "")], FreshnessReport({}), state)
        assert state.list_repositories() == [ROW]
