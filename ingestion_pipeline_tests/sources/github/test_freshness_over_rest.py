"""The freshness check without a token: conditional requests, turns, rate limits."""

from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.sources.github import GitHubCodeHost
from ingestion_pipeline_tests.servers.github import FakeGitHubServer
from ingestion_pipeline_tests.sources.github.code_host_worlds import make_github_host
from ingestion_pipeline_tests.sources.github.tracked import add_many


def test_what_did_not_change_is_answered_with_304(
    server: FakeGitHubServer, anonymous: GitHubCodeHost
) -> None:
    tracked = add_many(server, 5)
    first = anonymous.check_freshness(tracked)
    server.push("octo/r2")
    server.clear_requests()

    second = anonymous.check_freshness(tracked)

    assert server.requests == {"repository": 5, "not_modified": 4}
    changed = {s for s in first.states if first.states[s] != second.states[s]}
    assert changed == {tracked[2].source}


def test_a_repository_that_is_back_is_active_again(
    server: FakeGitHubServer, anonymous: GitHubCodeHost
) -> None:
    tracked = add_many(server, 1)
    source = tracked[0].source
    anonymous.check_freshness(tracked)
    server.get_repository("octo/r0").private = True
    gone = anonymous.check_freshness(tracked).states[source]
    server.get_repository("octo/r0").private = False

    assert gone.status is RepositoryStatus.NOT_FOUND
    assert "INGESTION_GITHUB_TOKEN" in gone.detail
    assert anonymous.check_freshness(tracked).states[source].status is RepositoryStatus.ACTIVE


def test_everyone_takes_a_turn(server: FakeGitHubServer) -> None:
    tracked = add_many(server, 25)
    host = make_github_host(server, token=None, max_repositories_per_check=10)

    reports = [host.check_freshness(tracked) for _ in range(3)]

    assert [len(report.states) for report in reports] == [10, 10, 10]
    assert set().union(*(report.states for report in reports)) == {r.source for r in tracked}
    assert "INGESTION_GITHUB_TOKEN" in reports[0].problem
    host.close()


def test_a_used_up_allowance_stops_the_check(
    server: FakeGitHubServer, anonymous: GitHubCodeHost
) -> None:
    tracked = add_many(server, 40)
    server.set_remaining(6)

    report = anonymous.check_freshness(tracked)

    assert len(report.states) == 6
    assert report.problem.startswith("34 of 40")
    assert "rate limit" in report.problem
    assert server.requests["repository"] < 20


def test_those_not_answered_come_first_next_time(server: FakeGitHubServer) -> None:
    tracked = add_many(server, 10)
    host = make_github_host(server, token=None, max_repositories_per_check=6)
    server.set_remaining(4)
    first = host.check_freshness(tracked)
    server.set_remaining(60)

    second = host.check_freshness(tracked)

    assert set(first.states).isdisjoint(second.states)
    assert set(first.states) | set(second.states) == {r.source for r in tracked}
    host.close()


def test_an_outage_is_not_asked_to_the_end(
    server: FakeGitHubServer, anonymous: GitHubCodeHost
) -> None:
    tracked = add_many(server, 50)
    server.fail(500)

    assert anonymous.check_freshness(tracked).states == {}
    assert server.requests["repository"] < 30
