"""What every code host does: the fake, and GitHub over GraphQL and over REST alone."""

from collections.abc import Iterator

import pytest

from ingestion_pipeline.core.errors import (
    AuthenticationError,
    HostNotAllowedError,
    HostUnavailableError,
    InvalidRepositoryNameError,
    RateLimitedError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import RepositoryStatus, TrackedRepository
from ingestion_pipeline_tests.sources.github.code_host_worlds import (
    RESETS_AT,
    CodeHostWorld,
    FakeWorld,
    GitHubWorld,
)


@pytest.fixture(params=["fake", "graphql", "rest"])
def world(request: pytest.FixtureRequest) -> Iterator[CodeHostWorld]:
    if request.param == "fake":
        yield FakeWorld()
        return
    server = request.getfixturevalue("server")
    opened = GitHubWorld(server, with_token=request.param == "graphql")
    yield opened
    opened.adapter.close()


def track(
    world: CodeHostWorld, full_name: str, branches: tuple[str, ...] = ()
) -> TrackedRepository:
    hosted = world.host.find_repository(world.get_reference(full_name))
    return TrackedRepository(partition_key=full_name, hosted=hosted, branches=branches)


def test_finds_a_repository(world: CodeHostWorld) -> None:
    world.add("octo/cat")

    hosted = world.host.find_repository(world.get_reference("octo/cat"))

    assert hosted.full_name == "octo/cat"
    assert hosted.default_branch == "main"
    assert hosted.status is RepositoryStatus.ACTIVE
    assert hosted.pushed_at
    assert world.host.get_fetch_source(hosted).url == hosted.clone_url


def test_an_empty_repository_has_no_default_branch(world: CodeHostWorld) -> None:
    world.add("octo/empty", branches=())

    tracked = track(world, "octo/empty")
    state = world.host.check_freshness([tracked]).states[tracked.source]

    assert tracked.hosted.default_branch == state.default_branch == ""
    assert state.status is RepositoryStatus.ACTIVE
    assert not state.heads
    assert world.host.get_branch_heads([tracked]) == {tracked.source: {}}


@pytest.mark.parametrize("reference", ["", "octo", "octo/", "/cat", "octo/cat/tree", "oc to/cat"])
def test_a_malformed_name_is_told_the_right_form(world: CodeHostWorld, reference: str) -> None:
    with pytest.raises(InvalidRepositoryNameError, match="owner/name"):
        world.host.find_repository(reference)


def test_another_host_is_refused(world: CodeHostWorld) -> None:
    if world.other_host_reference is None:
        pytest.skip(f"{world.name} knows no other hosts")
    with pytest.raises(HostNotAllowedError, match="INGESTION_ALLOWED_HOSTS"):
        world.host.find_repository(world.other_host_reference)


def test_an_unknown_repository(world: CodeHostWorld) -> None:
    with pytest.raises(RepositoryNotFoundError, match="does not exist or is private"):
        world.host.find_repository(world.get_reference("octo/nothing"))


def test_a_rename_is_followed_by_id(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")

    world.rename("octo/cat", "new-owner/lynx")

    by_old_name = world.host.find_repository(world.get_reference("octo/cat"))
    by_id = world.host.refresh_repository(tracked)
    state = world.host.check_freshness([tracked]).states[tracked.source]
    assert by_old_name == by_id
    assert by_id.source == tracked.source
    assert by_id.full_name == state.full_name == "new-owner/lynx"
    assert "new-owner/lynx" in by_id.clone_url
    assert set(world.host.get_branch_heads([tracked])) == {tracked.source}


def test_a_push_moves_pushed_at_and_the_head(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")

    sha = world.push("octo/cat")

    state = world.host.check_freshness([tracked]).states[tracked.source]
    assert state.pushed_at != tracked.hosted.pushed_at
    assert state.heads in ({}, {"main": sha})
    assert world.host.get_branch_heads([tracked]) == {tracked.source: {"main": sha}}


def test_pushed_at_is_the_same_string_everywhere(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    world.push("octo/cat")
    tracked = track(world, "octo/cat")

    state = world.host.check_freshness([tracked]).states[tracked.source]

    assert state.pushed_at == tracked.hosted.pushed_at
    assert world.host.refresh_repository(tracked).pushed_at == tracked.hosted.pushed_at


def test_a_push_to_a_pull_request_moves_no_head(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")
    before = world.host.get_branch_heads([tracked])

    world.push_elsewhere("octo/cat")

    state = world.host.check_freshness([tracked]).states[tracked.source]
    assert state.pushed_at != tracked.hosted.pushed_at
    assert world.host.get_branch_heads([tracked]) == before


def test_a_push_to_an_untracked_branch_moves_no_tracked_head(world: CodeHostWorld) -> None:
    world.add("octo/cat", branches=("main", "topic"))
    tracked = track(world, "octo/cat", branches=("main",))
    before = world.host.get_branch_heads([tracked])

    world.push("octo/cat", "topic")

    state = world.host.check_freshness([tracked]).states[tracked.source]
    assert state.pushed_at != tracked.hosted.pushed_at
    assert world.host.get_branch_heads([tracked]) == before


def test_heads_of_tracked_branches_only_and_only_where_they_exist(world: CodeHostWorld) -> None:
    world.add("octo/cat", branches=("main", "release/1.0", "topic"))
    tracked = track(world, "octo/cat", branches=("release/1.0", "gone"))

    heads = world.host.get_branch_heads([tracked])[tracked.source]
    state = world.host.check_freshness([tracked]).states[tracked.source]

    assert set(heads) == {"release/1.0"}
    assert state.heads == {}


def test_an_archived_repository_shows_as_such(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")

    world.archive("octo/cat")

    state = world.host.check_freshness([tracked]).states[tracked.source]
    assert world.host.refresh_repository(tracked).status is RepositoryStatus.ARCHIVED
    assert state.status is RepositoryStatus.ARCHIVED
    assert state.full_name == "octo/cat"
    assert state.detail


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ("delete", RepositoryStatus.NOT_FOUND, RepositoryNotFoundError),
        ("forbid", RepositoryStatus.FORBIDDEN, RepositoryForbiddenError),
        ("block", RepositoryStatus.BLOCKED, RepositoryBlockedError),
    ],
)
def test_a_refused_repository_leaves_the_others_alone(
    world: CodeHostWorld,
    change: str,
    status: RepositoryStatus,
    error: type[RepositoryUnavailableError],
) -> None:
    names = ["octo/cat", "octo/dog", "octo/owl"]
    for name in names:
        world.add(name)
    cat, dog, owl = (track(world, name) for name in names)

    getattr(world, change)("octo/dog")

    report = world.host.check_freshness([cat, dog, owl])
    assert report.problem == ""
    assert [report.states[r.source].status for r in (cat, dog, owl)] == [
        RepositoryStatus.ACTIVE,
        status,
        RepositoryStatus.ACTIVE,
    ]
    assert report.states[dog.source].detail
    assert set(world.host.get_branch_heads([cat, dog, owl])) == {cat.source, owl.source}
    with pytest.raises(error):
        world.host.refresh_repository(dog)


def test_an_outage(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")

    world.break_down()

    report = world.host.check_freshness([tracked])
    assert report.states == {}
    assert "502" in report.problem
    assert world.host.get_branch_heads([tracked]) == {}
    with pytest.raises(HostUnavailableError):
        world.host.refresh_repository(tracked)
    with pytest.raises(HostUnavailableError):
        world.host.find_repository(world.get_reference("octo/cat"))


def test_a_used_up_rate_limit_tells_when_it_ends(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")

    world.exhaust_rate_limit()

    report = world.host.check_freshness([tracked])
    assert report.states == {}
    assert "rate limit" in report.problem
    assert world.host.get_branch_heads([tracked]) == {}
    with pytest.raises(RateLimitedError) as caught:
        world.host.refresh_repository(tracked)
    assert caught.value.resets_at == RESETS_AT


def test_a_refused_token_names_the_setting(world: CodeHostWorld) -> None:
    world.add("octo/cat")
    tracked = track(world, "octo/cat")

    world.refuse_token()

    assert "INGESTION_GITHUB_TOKEN" in world.host.check_freshness([tracked]).problem
    with pytest.raises(AuthenticationError, match="INGESTION_GITHUB_TOKEN"):
        world.host.refresh_repository(tracked)


def test_nothing_to_check(world: CodeHostWorld) -> None:
    report = world.host.check_freshness([])

    assert (report.states, report.problem) == ({}, "")
    assert world.host.get_branch_heads([]) == {}
