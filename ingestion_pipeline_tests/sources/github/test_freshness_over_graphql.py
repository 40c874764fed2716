"""The freshness check and the heads over GraphQL: chunks, partial answers, outages."""

import pytest

from ingestion_pipeline.core.errors import HostUnavailableError, RateLimitedError
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.sources.github import GitHubCodeHost
from ingestion_pipeline.sources.github.answers import Answer
from ingestion_pipeline.sources.github.graphql import read_data, read_freshness, read_heads
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.servers.github import FakeGitHubServer
from ingestion_pipeline_tests.sources.github.code_host_worlds import make_github_host
from ingestion_pipeline_tests.sources.github.tracked import add_many, add_tracked


def test_one_call_per_hundred_repositories(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    tracked = add_many(server, 250)

    report = host.check_freshness(tracked)

    assert server.requests == {"graphql": 3}
    assert report.problem == ""
    assert {s: state.full_name for s, state in report.states.items()} == {
        r.source: r.partition_key for r in tracked
    }
    assert report.rate_limit is not None
    assert report.rate_limit.limit == 5_000


def test_the_default_head_comes_for_nothing(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    by_default = add_tracked(server, "octo/a")
    named = add_tracked(server, "octo/b", branches=("main", "topic"))
    others = add_tracked(server, "octo/c", branches=("topic",))
    sha = server.push("octo/a")

    states = host.check_freshness([by_default, named, others]).states

    assert states[by_default.source].heads == {"main": sha}
    assert set(states[named.source].heads) == {"main"}
    assert states[others.source].heads == {}


def test_a_new_default_branch_shows(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    tracked = add_tracked(server, "octo/a")
    sha = server.push("octo/a", "trunk")
    server.get_repository("octo/a").default_branch = "trunk"

    state = host.check_freshness([tracked]).states[tracked.source]

    assert state.default_branch == "trunk"
    assert state.heads == {"trunk": sha}


def test_a_failing_chunk_costs_its_own_repositories_only(
    server: FakeGitHubServer, host: GitHubCodeHost
) -> None:
    tracked = add_many(server, 300)
    server.fail(502, body_part=tracked[150].hosted.node_id)

    report = host.check_freshness(tracked)

    expected = {r.source for r in [*tracked[:100], *tracked[200:]]}
    assert set(report.states) == expected
    assert report.problem.startswith("100 of 300 repositories were not answered")
    assert "502" in report.problem


def test_one_5xx_is_tried_again_at_once(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    tracked = add_many(server, 3)
    server.fail(503, times=1)

    assert host.check_freshness(tracked).problem == ""
    assert server.requests["graphql"] == 2


def test_a_hanging_chunk_ends_at_the_deadline(server: FakeGitHubServer) -> None:
    tracked = add_many(server, 200)
    server.hang(body_part=tracked[0].hosted.node_id)
    host = make_github_host(server, timeout_seconds=5, check_timeout_seconds=0.5)

    report = host.check_freshness(tracked)

    assert {r.source for r in tracked[100:]} == set(report.states)
    assert "within 0.5 s" in report.problem


def test_a_call_ends_at_its_own_time_limit(server: FakeGitHubServer) -> None:
    tracked = add_many(server, 1)
    server.hang()
    host = make_github_host(server, timeout_seconds=0.2)

    assert "INGESTION_GITHUB_TIMEOUT_SECONDS" in host.check_freshness(tracked).problem


def test_an_outage_is_not_asked_to_the_end(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    tracked = add_many(server, 2_000)
    server.fail(502)

    report = host.check_freshness(tracked)

    assert report.states == {}
    assert report.problem.startswith("2000 of 2000")
    # Each of the 20 chunks would be two requests; four outages in a row end it.
    assert server.requests["graphql"] < 20


def test_a_rate_limit_ends_the_check(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    tracked = add_many(server, 2_000)
    server.set_remaining(3)

    report = host.check_freshness(tracked)

    assert len(report.states) == 300
    assert "rate limit" in report.problem
    assert server.requests["graphql"] < 12


def test_a_rate_limit_told_with_status_200() -> None:
    answer = Answer(
        200,
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(START.timestamp()) + 60)},
        '{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}',
    )
    with pytest.raises(RateLimitedError) as caught:
        read_data(answer, FakeClock())
    assert caught.value.resets_at is not None
    assert (caught.value.resets_at - START).total_seconds() == 60


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", '{"data":null,"errors":[{"message":"timeout"}]}', '{"data":null}']
)
def test_an_answer_without_data_is_an_outage(text: str) -> None:
    with pytest.raises(HostUnavailableError):
        read_data(Answer(200, {}, text), FakeClock())


def test_without_graphql_rest_answers(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    tracked = add_many(server, 3)
    server.disable_graphql()

    report = host.check_freshness(tracked)

    assert len(report.states) == 3
    assert report.problem == ""
    assert len(host.get_branch_heads(tracked)) == 3


def test_an_unknown_kind_of_error_is_settled_over_rest(
    server: FakeGitHubServer, host: GitHubCodeHost
) -> None:
    tracked = add_many(server, 5)
    server.block("octo/r3", "tos")

    report = host.check_freshness(tracked)

    assert report.states[tracked[3].source].status is RepositoryStatus.BLOCKED
    assert "tos" in report.states[tracked[3].source].detail
    assert server.requests == {"graphql": 1, "repository": 1}


@pytest.mark.parametrize(
    ("change", "status"),
    [("disable", RepositoryStatus.BLOCKED), ("lock", RepositoryStatus.FORBIDDEN)],
)
def test_disabled_and_locked_ones(
    server: FakeGitHubServer, host: GitHubCodeHost, change: str, status: RepositoryStatus
) -> None:
    tracked = add_tracked(server, "octo/a")
    getattr(server, change)("octo/a")

    state = host.check_freshness([tracked]).states[tracked.source]

    assert state.status is status
    assert state.detail


def test_heads_of_many_repositories_in_few_calls(
    server: FakeGitHubServer, host: GitHubCodeHost
) -> None:
    tracked = [add_tracked(server, f"octo/r{i}", branches=("main", "topic")) for i in range(120)]
    server.push("octo/r7", "topic", sha="7" * 40)

    heads = host.get_branch_heads(tracked)

    assert server.requests == {"graphql": 3}
    assert len(heads) == 120
    assert heads[tracked[7].source]["topic"] == "7" * 40
    assert set(heads[tracked[8].source]) == {"main"}


def test_a_branch_may_be_called_almost_anything(
    server: FakeGitHubServer, host: GitHubCodeHost, anonymous: GitHubCodeHost
) -> None:
    names = ("a/b", 'x"y', "ünï", "50%", "a#b", "{0}", "refs/heads/odd")
    tracked = add_tracked(server, "octo/a", branches=names)
    for name in names:
        server.push("octo/a", name)

    assert set(host.get_branch_heads([tracked])[tracked.source]) == set(names)
    assert host.get_branch_heads([tracked]) == anonymous.get_branch_heads([tracked])


def test_a_tag_of_the_same_name_is_no_branch(server: FakeGitHubServer) -> None:
    tracked = add_tracked(server, "octo/a", branches=("v1", "main"))
    number = int(tracked.source.stable_id)
    tag = {"name": "v1", "prefix": "refs/tags/", "target": {"oid": "1" * 40}}
    branch = {"name": "main", "prefix": "refs/heads/", "target": {"oid": "2" * 40}}
    body = {"data": {"r0": {"databaseId": number, "b0": tag, "b1": branch}}}

    assert read_heads([tracked], body) == {tracked.source: {"main": "2" * 40}}


def test_a_node_of_another_number_is_not_believed(server: FakeGitHubServer) -> None:
    tracked = add_tracked(server, "octo/a")
    body = {"data": {"r0": {"databaseId": 7}, "nodes": [{"databaseId": 7, "nameWithOwner": "x/y"}]}}

    assert read_heads([tracked], body) == {}
    assert read_freshness([tracked], body).states == {}
