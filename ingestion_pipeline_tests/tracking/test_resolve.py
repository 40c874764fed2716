"""From a partition key to a repository, at the start of a run."""

from dataclasses import replace

import pytest

from ingestion_pipeline.core.errors import (
    AuthenticationError,
    HostUnavailableError,
    IngestionError,
    InvalidRepositoryNameError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryNotTrackedError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import (
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.tracking.resolve import resolve_partition
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore

GITHUB = SourceKind.GITHUB
HOSTED = make_hosted("a/b", 1)
ROW = TrackedRepository("a/b", HOSTED, ("dev",), tracked_at=START)


def test_a_tracked_key_is_refreshed():
    now = replace(HOSTED, default_branch="trunk", pushed_at="P2", status=RepositoryStatus.ARCHIVED)
    state = FakeStateStore([replace(ROW, status_detail="was 404")])
    row = resolve_partition("a/b", {GITHUB: FakeCodeHost([now])}, state, FakeClock())
    assert row == replace(ROW, hosted=now)
    assert state.find_repository("a/b") == row


def test_a_key_without_a_row_is_tracked_on_the_fly():
    state = FakeStateStore()
    row = resolve_partition("a/b", {GITHUB: FakeCodeHost([HOSTED])}, state, FakeClock())
    assert row == TrackedRepository("a/b", HOSTED, tracked_at=START)


def test_a_rename_moves_the_row_and_keeps_its_options():
    now = make_hosted("a/c", 1)
    state = FakeStateStore([ROW])
    row = resolve_partition("a/b", {GITHUB: FakeCodeHost([now])}, state, FakeClock())
    assert row == replace(ROW, partition_key="a/c", hosted=now, former_keys=("a/b",))
    assert state.find_repository("a/b") is None


def test_a_rename_to_a_key_that_is_taken_leaves_the_key_and_takes_the_facts():
    now = make_hosted("a/c", 1)
    other = TrackedRepository("a/c", make_hosted("a/c", 2))
    state = FakeStateStore([ROW, other])
    row = resolve_partition("a/b", {GITHUB: FakeCodeHost([now])}, state, FakeClock())
    assert row == replace(ROW, hosted=now)
    assert state.find_repository("a/c") == other


def test_a_run_queued_before_a_rename_finds_the_repository_by_redirect():
    now = make_hosted("a/c", 1)
    state = FakeStateStore([replace(ROW, partition_key="a/c", former_keys=("a/b",), hosted=now)])
    host = FakeCodeHost([HOSTED])
    host.rename("a/b", "a/c")
    row = resolve_partition("a/b", {GITHUB: host}, state, FakeClock())
    assert (row.partition_key, row.branches) == ("a/c", ("dev",))


def test_a_former_name_given_to_another_repository_means_that_one():
    new = make_hosted("a/b", 9)
    old = replace(ROW, partition_key="a/c", former_keys=("a/b",), hosted=make_hosted("a/c", 1))
    state = FakeStateStore([old])
    hosts = {GITHUB: FakeCodeHost([new, old.hosted])}
    assert resolve_partition("a/b", hosts, state, FakeClock()).source == new.source


@pytest.mark.parametrize("key", ["a/b", "old/name"])
def test_an_untracked_repository_is_not_brought_back_by_a_queued_run(key: str):
    gone = replace(ROW, untracked_at=START, former_keys=("old/name",))
    state = FakeStateStore([gone])
    with pytest.raises(RepositoryNotTrackedError, match=r"untracked at 2026-01-31T12:00:00Z.*a/b"):
        resolve_partition(key, {GITHUB: FakeCodeHost([HOSTED])}, state, FakeClock())
    assert state.find_source(gone.source) == gone


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RepositoryNotFoundError("a/b is gone"), RepositoryStatus.NOT_FOUND),
        (RepositoryForbiddenError("a/b is private"), RepositoryStatus.FORBIDDEN),
        (RepositoryBlockedError("a/b is blocked"), RepositoryStatus.BLOCKED),
    ],
)
def test_what_the_host_refuses_is_stored_and_raised(
    error: RepositoryUnavailableError, status: RepositoryStatus
):
    state = FakeStateStore([ROW])
    host = FakeCodeHost([HOSTED])
    host.refuse("a/b", error)
    with pytest.raises(type(error)):
        resolve_partition("a/b", {GITHUB: host}, state, FakeClock())
    expected = replace(ROW, hosted=replace(HOSTED, status=status), status_detail=str(error))
    assert state.find_repository("a/b") == expected


@pytest.mark.parametrize("error", [HostUnavailableError("502"), AuthenticationError("expired")])
def test_an_outage_is_not_taken_for_a_status(error: IngestionError):
    state = FakeStateStore([ROW])
    host = FakeCodeHost([HOSTED])
    host.break_down(error)
    with pytest.raises(type(error)):
        resolve_partition("a/b", {GITHUB: host}, state, FakeClock())
    assert state.find_repository("a/b") == ROW


@pytest.mark.parametrize("key", ["", "a", "a/b/c", "a/..", "a b/c", "a/b\n"])
def test_a_malformed_key_is_refused(key: str):
    with pytest.raises(InvalidRepositoryNameError, match="owner/name"):
        resolve_partition(key, {}, FakeStateStore(), FakeClock())


class TestLocal:
    HOSTED = replace(
        make_hosted("local/app"), source=SourceId(SourceKind.LOCAL, "5"), clone_url="/srv/app"
    )

    def test_without_a_row_it_has_to_be_tracked_by_path(self):
        with pytest.raises(RepositoryNotTrackedError, match="ingestion-pipeline track --path"):
            resolve_partition("local/app", {}, FakeStateStore(), FakeClock())

    def test_with_a_row_its_own_host_is_asked(self):
        state = FakeStateStore([TrackedRepository("local/app", self.HOSTED)])
        hosts = {GITHUB: FakeCodeHost(), SourceKind.LOCAL: FakeCodeHost([self.HOSTED])}
        row = resolve_partition("local/app", hosts, state, FakeClock())
        assert row.source == self.HOSTED.source

    def test_a_former_key_finds_its_row(self):
        row = TrackedRepository("local/app", self.HOSTED, former_keys=("local/old",))
        hosts = {SourceKind.LOCAL: FakeCodeHost([self.HOSTED])}
        found = resolve_partition("local/old", hosts, FakeStateStore([row]), FakeClock())
        assert found == row

    def test_untracked_it_says_the_path(self):
        row = TrackedRepository("local/app", self.HOSTED, untracked_at=START)
        with pytest.raises(RepositoryNotTrackedError, match="track --path /srv/app"):
            resolve_partition("local/app", {}, FakeStateStore([row]), FakeClock())
