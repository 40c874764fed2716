"""Tracking, tracking again, and untracking."""

from dataclasses import replace

import pytest

from ingestion_pipeline.core.errors import (
    BranchNotFoundError,
    ConfigurationError,
    InvalidRepositoryNameError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryNotTrackedError,
)
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.tracking.branches import validate_branches
from ingestion_pipeline.tracking.track import (
    adopt_repository,
    track_repository,
    untrack_repository,
)
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore

FLASK = make_hosted("pallets/flask", 1)
GITHUB = SourceKind.GITHUB


def make_local(name: str, number: int) -> HostedRepository:
    source = SourceId(SourceKind.LOCAL, str(number))
    return replace(make_hosted(name), source=source, clone_url=f"/srv/{number}/app")


def test_a_new_repository_is_stored_under_the_name_the_host_gives():
    state = FakeStateStore()
    row = track_repository(
        "Pallets/Flask", None, {GITHUB: FakeCodeHost([FLASK])}, state, FakeClock()
    )
    assert row == TrackedRepository("pallets/flask", FLASK, tracked_at=START)
    assert state.find_repository("pallets/flask") == row


def test_an_archived_repository_is_tracked_as_such():
    hosted = replace(FLASK, status=RepositoryStatus.ARCHIVED)
    hosts = {GITHUB: FakeCodeHost([hosted])}
    row = track_repository("pallets/flask", (), hosts, FakeStateStore(), FakeClock())
    assert row.hosted.status is RepositoryStatus.ARCHIVED


@pytest.mark.parametrize(
    ("given", "expected", "seen"),
    [
        (None, ("dev",), "P1"),
        (("dev",), ("dev",), "P1"),
        ((), (), None),
        (("a", "a"), ("a",), None),
    ],
)
def test_tracking_again_updates_branches(
    given: tuple[str, ...] | None, expected: tuple[str, ...], seen: str | None
):
    old = TrackedRepository(
        "pallets/flask", FLASK, ("dev",), "old detail", pushed_at_seen="P1", tracked_at=START
    )
    state, clock = FakeStateStore([old]), FakeClock()
    clock.advance(60)
    heads = {"pallets/flask": {"main": "1", "dev": "2", "a": "3"}}
    hosts = {GITHUB: FakeCodeHost([FLASK], heads)}
    row = track_repository("pallets/flask", given, hosts, state, clock)
    assert (row.branches, row.pushed_at_seen, row.status_detail) == (expected, seen, "")
    assert row.tracked_at == START
    assert len(state.list_repositories()) == 1


def test_tracking_again_after_untracking_begins_anew():
    state, clock = FakeStateStore(), FakeClock()
    hosts = {GITHUB: FakeCodeHost([FLASK])}
    track_repository("pallets/flask", (), hosts, state, clock)
    gone = untrack_repository("pallets/flask", state, clock)
    assert gone.untracked_at == START
    assert state.list_repositories() == []
    later = clock.advance(5)
    row = track_repository("pallets/flask", (), hosts, state, clock)
    assert (row.tracked_at, row.untracked_at) == (later, None)


def test_tracking_a_renamed_repository_moves_its_row():
    state = FakeStateStore([TrackedRepository("mitsuhiko/flask", FLASK, tracked_at=START)])
    host = FakeCodeHost([replace(FLASK, full_name="mitsuhiko/flask")])
    host.rename("mitsuhiko/flask", "pallets/flask")
    row = track_repository("mitsuhiko/flask", None, {GITHUB: host}, state, FakeClock())
    assert (row.partition_key, row.former_keys) == ("pallets/flask", ("mitsuhiko/flask",))
    assert [r.partition_key for r in state.list_repositories()] == ["pallets/flask"]


def test_a_branch_that_the_host_does_not_have_is_refused():
    state = FakeStateStore()
    hosts = {GITHUB: FakeCodeHost([FLASK])}
    with pytest.raises(BranchNotFoundError, match=r"no branch mian\b.*default branch is main"):
        track_repository("pallets/flask", ("main", "mian"), hosts, state, FakeClock())
    assert state.list_repositories() == []


def test_branches_are_taken_as_given_when_the_host_cannot_be_asked():
    host = FakeCodeHost([FLASK])
    host.leave_unanswered("pallets/flask")
    row = track_repository("pallets/flask", ("x",), {GITHUB: host}, FakeStateStore(), FakeClock())
    assert row.branches == ("x",)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "-x", "/a", "a/", "a..b", "a~1", "a^", "a:b", "a*", "a?", "[a", "a\\b",
     "a@{1}", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "HEAD", "a\x00", "a\n"],
)  # fmt: skip
def test_branch_names_that_git_refuses(name: str):
    with pytest.raises(InvalidRepositoryNameError, match="is not a branch name"):
        validate_branches(["main", name])


@pytest.mark.parametrize("name", ["main", "release/2.1", "feature/übung", "a@b", "x-y_z", "HEADS"])
def test_branch_names_that_git_takes(name: str):
    assert validate_branches([name, name]) == (name,)


def test_a_name_that_cannot_be_a_partition_key_is_refused():
    host = FakeCodeHost([make_hosted("a/b")])
    host.rename("a/b", "a/b/c")
    with pytest.raises(InvalidRepositoryNameError, match="owner/name"):
        track_repository("a/b", (), {GITHUB: host}, FakeStateStore(), FakeClock())


def test_a_kind_that_the_door_does_not_allow_is_refused():
    with pytest.raises(ConfigurationError, match=r"'local' cannot be used .*Available: github"):
        track_repository(
            "/etc", (), {GITHUB: FakeCodeHost()}, FakeStateStore(), FakeClock(), SourceKind.LOCAL
        )


def test_errors_of_the_host_reach_the_caller_and_store_nothing():
    state = FakeStateStore()
    host = FakeCodeHost([FLASK])
    host.refuse("pallets/flask", RepositoryForbiddenError("no access"))
    with pytest.raises(RepositoryForbiddenError, match="no access"):
        track_repository("pallets/flask", (), {GITHUB: host}, state, FakeClock())
    assert state.list_repositories(include_untracked=True) == []


class TestKeyHeldByAnotherSource:
    NEW = make_hosted("a/b", 2)

    def test_it_is_an_error_where_both_are_called_so(self):
        local = make_local("local/app", 7)
        other = make_local("local/app", 8)
        state = FakeStateStore([TrackedRepository("local/app", local)])
        hosts = {SourceKind.LOCAL: FakeCodeHost([other, local])}
        with pytest.raises(ConfigurationError, match="already tracked as another repository"):
            track_repository("local/app", (), hosts, state, FakeClock(), SourceKind.LOCAL)
        assert state.list_repositories() == [TrackedRepository("local/app", local)]

    def test_it_is_an_error_where_the_other_was_deleted(self):
        state = FakeStateStore([TrackedRepository("a/b", make_hosted("a/b", 1))])
        with pytest.raises(ConfigurationError, match=r"does not exist.*untrack a/b --purge$"):
            track_repository("a/b", (), {GITHUB: FakeCodeHost([self.NEW])}, state, FakeClock())

    def test_the_other_makes_room_where_it_was_renamed(self):
        state = FakeStateStore([TrackedRepository("a/b", make_hosted("a/b", 1))])
        hosts = {GITHUB: FakeCodeHost([make_hosted("a/c", 1), self.NEW])}
        row = track_repository("a/b", (), hosts, state, FakeClock())
        assert row.source == self.NEW.source
        assert {r.partition_key: r.source.stable_id for r in state.list_repositories()} == {
            "a/b": "2",
            "a/c": "1",
        }

    def test_it_is_an_error_where_the_other_cannot_make_room(self):
        rows = [
            TrackedRepository("a/b", make_hosted("a/b", 1)),
            TrackedRepository("a/c", make_hosted("a/c", 3)),
        ]
        state = FakeStateStore(rows)
        hosts = {GITHUB: FakeCodeHost([make_hosted("a/c", 1), self.NEW])}
        with pytest.raises(ConfigurationError, match="already tracked"):
            track_repository("a/b", (), hosts, state, FakeClock())
        assert state.list_repositories() == rows

    def test_an_untracked_one_does_not_hold_it(self):
        old = TrackedRepository("a/b", make_hosted("a/b", 1), untracked_at=START)
        state = FakeStateStore([old])
        row = track_repository("a/b", (), {GITHUB: FakeCodeHost([self.NEW])}, state, FakeClock())
        assert row.source == self.NEW.source
        assert state.find_source(old.source) == old


class TestAdopt:
    def test_a_key_from_the_ui_is_tracked(self):
        state = FakeStateStore()
        row = adopt_repository("pallets/flask", {GITHUB: FakeCodeHost([FLASK])}, state, FakeClock())
        assert (row.partition_key, row.former_keys) == ("pallets/flask", ())

    def test_a_key_the_host_spells_otherwise_becomes_a_former_one(self):
        state = FakeStateStore()
        row = adopt_repository("Pallets/Flask", {GITHUB: FakeCodeHost([FLASK])}, state, FakeClock())
        assert (row.partition_key, row.former_keys) == ("pallets/flask", ("Pallets/Flask",))

    def test_an_unknown_one_is_the_hosts_error(self):
        with pytest.raises(RepositoryNotFoundError):
            adopt_repository("a/b", {GITHUB: FakeCodeHost()}, FakeStateStore(), FakeClock())

    def test_a_malformed_one_is_refused_before_the_host_is_asked(self):
        with pytest.raises(InvalidRepositoryNameError):
            adopt_repository("a", {}, FakeStateStore(), FakeClock())


class TestUntrack:
    ROWS = (
        TrackedRepository("pallets/flask", FLASK, former_keys=("mitsuhiko/flask",)),
        TrackedRepository("psf/requests", make_hosted("psf/requests", 2)),
    )

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("Pallets/Flask", r"not tracked\. Did you mean pallets/flask\?"),
            ("psf/request", r"Did you mean psf/requests\?"),
            ("mitsuhiko/flask", "is called pallets/flask now"),
            ("zzz/qqq", r"not tracked\. See ingestion-pipeline repositories"),
        ],
    )
    def test_an_unknown_key_is_explained(self, key: str, message: str):
        with pytest.raises(RepositoryNotTrackedError, match=message):
            untrack_repository(key, FakeStateStore(self.ROWS), FakeClock())

    def test_the_row_waits_for_its_purge(self):
        state = FakeStateStore(self.ROWS)
        row = untrack_repository("psf/requests", state, FakeClock())
        assert state.find_source(row.source) == row
        assert state.find_source(SourceId(GITHUB, "1")) == self.ROWS[0]
