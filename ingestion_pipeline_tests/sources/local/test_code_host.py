"""Repositories of this machine as a code host."""

import os
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.code import SourceFile
from ingestion_pipeline.core.errors import (
    HostNotAllowedError,
    IngestionError,
    InvalidRepositoryNameError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    SourceKind,
    TrackedRepository,
    validate_partition_key,
)
from ingestion_pipeline.sources.git import GitLimits, GitMirror
from ingestion_pipeline.sources.local import LocalCodeHost
from ingestion_pipeline.sources.local.identity import make_full_name, make_source_id
from ingestion_pipeline.sources.local.refs import make_pushed_at
from ingestion_pipeline_tests.git_repositories import GitRepository, run_git

LIMITS = GitLimits(2**24, 2**20, 60)


@pytest.fixture
def host() -> LocalCodeHost:
    return LocalCodeHost()


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "project", {"app.py": "x = 1\n"}, bare=False)


def _track(hosted: HostedRepository, *branches: str) -> TrackedRepository:
    return TrackedRepository(hosted.full_name, hosted, branches)


def _fetch(host: LocalCodeHost, hosted: HostedRepository, mirror: GitMirror) -> dict[str, bytes]:
    branch = hosted.default_branch
    source = host.get_fetch_source(hosted)
    tree = mirror.list_tree(mirror.fetch(source, [branch]).heads[branch])
    mirror.fetch_blobs(source, [entry.blob_sha for entry in tree])
    read = mirror.read_files(tree)
    return {file.path: file.content for file in read if isinstance(file, SourceFile)}


@pytest.mark.parametrize("bare", [True, False])
def test_a_repository_is_found_by_its_path(tmp_path: Path, host: LocalCodeHost, bare: bool) -> None:
    repository = GitRepository(tmp_path / "thing.git", {"a": "1"}, bare=bare)
    path = os.path.realpath(repository.path)

    hosted = host.find_repository(str(repository.path))

    assert hosted.source.kind is SourceKind.LOCAL
    assert 0 <= int(hosted.source.stable_id) < 2**63
    assert validate_partition_key(hosted.full_name).startswith("local/thing-")
    assert hosted.clone_url == path
    assert hosted.default_branch == "main"
    assert host.get_fetch_source(hosted).url == path


def test_all_spellings_of_a_path_are_one_repository(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(repository.path)
    monkeypatch.chdir(repository.path)
    spellings = [".", "../project/", str(tmp_path / "link"), f"{tmp_path}//project/../project"]

    assert {host.find_repository(spelling) for spelling in spellings} == {
        host.find_repository(str(repository.path))
    }


def test_two_folders_of_one_name_are_two_repositories(tmp_path: Path, host: LocalCodeHost) -> None:
    found = [
        host.find_repository(str(GitRepository(tmp_path / part / "same", {"a": "1"}).path))
        for part in ("one", "two")
    ]

    assert found[0].full_name != found[1].full_name
    assert found[0].source != found[1].source


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_every_folder_makes_a_valid_partition_key(name: str) -> None:
    path = Path("/srv") / name

    assert validate_partition_key(make_full_name(path)) == make_full_name(path)
    assert 0 <= int(make_source_id(path).stable_id) < 2**63


def test_only_what_is_committed_counts(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    (repository.path / "uncommitted.py").write_text("x = 2\n")
    repository.git("add", "--intent-to-add", "uncommitted.py")
    hosted = host.find_repository(str(repository.path))

    assert _fetch(host, hosted, GitMirror(tmp_path / "m.git", LIMITS)) == {"app.py": b"x = 1\n"}


def test_an_empty_repository_has_no_branch(tmp_path: Path, host: LocalCodeHost) -> None:
    hosted = host.find_repository(str(GitRepository(tmp_path / "empty").path))

    assert (hosted.default_branch, hosted.pushed_at) == ("", None)
    mirror = GitMirror(tmp_path / "m.git", LIMITS)
    assert mirror.fetch(host.get_fetch_source(hosted), []).is_empty
    assert mirror.fetch(host.get_fetch_source(hosted), ["main"]).is_empty


def test_a_branch_may_hold_what_unicode_calls_a_line_end(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    repository.create_branch("one\u2028two")
    hosted = host.find_repository(str(repository.path))

    heads = host.get_branch_heads([_track(hosted, "one\u2028two")])[hosted.source]
    assert heads == {"one\u2028two": repository.head()}


def test_branches_whose_names_are_not_utf8_are_left_out_and_refused_as_default(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    sha, git_dir = repository.head(), repository.path / ".git"
    (git_dir / "packed-refs").write_bytes(sha.encode() + b" refs/heads/caf\xe9\n")
    hosted = host.find_repository(str(repository.path))
    assert hosted.default_branch == "main"
    assert host.get_branch_heads([_track(hosted)])[hosted.source] == {"main": sha}

    (git_dir / "HEAD").write_bytes(b"ref: refs/heads/caf\xe9\n")
    with pytest.raises(RepositoryUnavailableError, match="has a name that is not UTF-8"):
        host.find_repository(str(repository.path))


def test_a_detached_head_is_a_branch_of_that_name(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    """As in the checkout of a continuous integration, which has no branch at all."""
    sha = repository.head()
    repository.git("update-ref", "--no-deref", "HEAD", sha)
    repository.delete_branch("main")

    hosted = host.find_repository(str(repository.path))

    assert hosted.default_branch == "HEAD"
    assert host.get_branch_heads([_track(hosted)])[hosted.source] == {"HEAD": sha}
    assert _fetch(host, hosted, GitMirror(tmp_path / "m.git", LIMITS)) == {"app.py": b"x = 1\n"}


def test_a_shallow_checkout_can_be_fetched(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    repository.commit({"second.py": "x = 2\n"})
    run_git(tmp_path, "clone", "--quiet", "--depth=1", repository.path.as_uri(), "shallow")
    hosted = host.find_repository(str(tmp_path / "shallow"))
    mirror = GitMirror(tmp_path / "m.git", LIMITS)

    assert set(_fetch(host, hosted, mirror)) == {"app.py", "second.py"}
    run_git(tmp_path / "shallow", "pull", "--quiet", "--unshallow")
    assert set(_fetch(host, hosted, mirror)) == {"app.py", "second.py"}


def test_a_linked_work_tree_is_a_repository(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    repository.git("worktree", "add", "--quiet", "-b", "topic", str(tmp_path / "linked"), "main")
    repository.commit({"app.py": "x = 2\n"}, branch="topic")

    hosted = host.find_repository(str(tmp_path / "linked"))

    assert hosted.default_branch == "topic"
    assert _fetch(host, hosted, GitMirror(tmp_path / "m.git", LIMITS)) == {"app.py": b"x = 2\n"}


def test_a_repository_with_sha256_ids_is_fetched(tmp_path: Path, host: LocalCodeHost) -> None:
    repository = GitRepository(tmp_path / "modern", {"a": "1"}, object_format="sha256")
    mirror = GitMirror(tmp_path / "m.git", LIMITS)
    hosted = host.find_repository(str(repository.path))

    assert _fetch(host, hosted, mirror) == {"a": b"1"}
    repository.commit({"a": "2"})
    assert mirror.fetch(host.get_fetch_source(hosted), ["main"]).rebuilt_because == ""
    assert _fetch(host, hosted, mirror) == {"a": b"2"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_repository_of_another_user_is_read(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    for path in (repository.path, *repository.path.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)

    hosted = host.find_repository(str(repository.path))

    assert _fetch(host, hosted, GitMirror(tmp_path / "m.git", LIMITS)) == {"app.py": b"x = 1\n"}


def test_a_partial_clone_that_lacks_objects_says_so(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    repository.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    run_git(
        tmp_path,
        *("clone", "--quiet", "--filter=blob:none", "--no-checkout"),
        *(repository.path.as_uri(), str(partial)),
    )
    hosted = host.find_repository(str(partial))

    with pytest.raises(RepositoryUnavailableError, match="partial clone"):
        _fetch(host, hosted, GitMirror(tmp_path / "m.git", LIMITS))


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("", InvalidRepositoryNameError),
        ("https://github.com/o/n", InvalidRepositoryNameError),
        ("file:///srv", InvalidRepositoryNameError),
        ("a\0b", InvalidRepositoryNameError),
        ("bad-\udce9", InvalidRepositoryNameError),
        ("does-not-exist", RepositoryNotFoundError),
        ("plain-file", RepositoryNotFoundError),
        ("plain-folder", RepositoryNotFoundError),
    ],
)
def test_what_is_no_repository_is_refused(
    tmp_path: Path,
    host: LocalCodeHost,
    monkeypatch: pytest.MonkeyPatch,
    reference: str,
    error: type[IngestionError],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain-file").touch()
    Path("plain-folder").mkdir()

    with pytest.raises(error):
        host.find_repository(reference)


def test_a_folder_inside_a_work_tree_names_the_work_tree(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    (repository.path / "src").mkdir()

    with pytest.raises(RepositoryNotFoundError, match="project is one: track that"):
        host.find_repository(str(repository.path / "src"))


def test_local_repositories_can_be_switched_off(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    hosted = host.find_repository(str(repository.path))
    closed = LocalCodeHost(is_allowed=False)

    with pytest.raises(HostNotAllowedError, match="INGESTION_ALLOW_LOCAL_REPOSITORIES"):
        closed.find_repository(str(repository.path))
    with pytest.raises(HostNotAllowedError):
        closed.get_fetch_source(hosted)


@pytest.mark.parametrize("clone_url", ["https://github.com/o/n", "relative", "ext::sh -c id"])
def test_only_absolute_paths_are_fetched_from(
    host: LocalCodeHost, repository: GitRepository, clone_url: str
) -> None:
    hosted = host.find_repository(str(repository.path))

    with pytest.raises(HostNotAllowedError):
        host.get_fetch_source(replace(hosted, clone_url=clone_url))


def test_a_check_reports_tracked_heads_and_the_default_branch(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    for branch in ("topic", "other"):
        repository.commit({"a": branch}, branch=branch)
    hosted = host.find_repository(str(repository.path))
    tracked = _track(hosted, "topic", "gone")
    default = replace(_track(hosted), hosted=hosted)

    state = host.check_freshness([tracked]).states[hosted.source]

    assert state.status is RepositoryStatus.ACTIVE
    assert state.heads == {"main": repository.head("main"), "topic": repository.head("topic")}
    assert (state.full_name, state.default_branch) == (hosted.full_name, "main")
    assert state.pushed_at == hosted.pushed_at
    assert host.get_branch_heads([tracked]) == {hosted.source: {"topic": repository.head("topic")}}
    assert host.get_branch_heads([default]) == {hosted.source: {"main": repository.head("main")}}


def test_pushed_at_changes_with_every_move_of_a_tip_and_with_nothing_else(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    def read() -> str | None:
        return host.find_repository(str(repository.path)).pushed_at

    first_sha, seen = repository.head(), [read()]
    repository.git("config", "user.name", "Somebody")
    (repository.path / "dirty").touch()
    assert read() == seen[0]

    repository.commit({"a": "1"})
    seen.append(read())
    repository.commit({"b": "1"}, branch="topic")
    seen.append(read())
    repository.create_branch("copy", "topic")
    seen.append(read())
    repository.create_branch("main", first_sha)
    seen.append(read())

    assert len(set(seen)) == 5
    repository.delete_branch("copy")
    repository.delete_branch("topic")
    assert read() == seen[0]


_TIPS = st.dictionaries(
    st.text("abcé/-", min_size=1), st.text("0123456789abcdef", min_size=40, max_size=40)
)


@given(_TIPS, st.integers(0, 253_402_300_799))
def test_pushed_at_is_a_time_in_rfc_3339(tips: dict[str, str], seconds: int) -> None:
    text = make_pushed_at(tips, seconds)

    parsed = datetime.fromisoformat(text)
    assert int(parsed.replace(microsecond=0).timestamp()) == seconds
    assert text.endswith("Z")
    assert make_pushed_at(dict(reversed(tips.items())), seconds) == text


@pytest.mark.parametrize("epoch", ["99999999999999", "-5", "1"])
def test_strange_dates_do_not_hide_a_repository(
    host: LocalCodeHost, repository: GitRepository, epoch: str
) -> None:
    tree = repository.git("rev-parse", "main^{tree}")
    who = f"A <a@b> {epoch} +0000"
    text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n"
    repository.create_branch("main", repository.write_object("commit", text.encode()))

    hosted = host.find_repository(str(repository.path))

    assert hosted.pushed_at is not None
    assert datetime.fromisoformat(hosted.pushed_at).tzinfo is not None


def test_a_deleted_path_is_not_found_and_the_others_are_answered(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    gone = GitRepository(tmp_path / "gone", {"a": "1"})
    tracked = [_track(host.find_repository(str(r.path))) for r in (repository, gone)]
    shutil.rmtree(gone.path)

    report = host.check_freshness(tracked)

    assert [report.states[t.source].status for t in tracked] == [
        RepositoryStatus.ACTIVE,
        RepositoryStatus.NOT_FOUND,
    ]
    assert report.problem == ""
    assert set(host.get_branch_heads(tracked)) == {tracked[0].source}
    with pytest.raises(RepositoryNotFoundError):
        host.refresh_repository(tracked[1])
    with pytest.raises(RepositoryNotFoundError):
        GitMirror(tmp_path / "m.git", LIMITS).fetch(
            host.get_fetch_source(tracked[1].hosted), ["main"]
        )


def test_a_broken_repository_is_absent_from_the_report_with_its_reason(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    tracked = _track(host.find_repository(str(repository.path)))
    (repository.path / ".git" / "config").write_text("[core\n")

    report = host.check_freshness([tracked])

    assert report.states == {}
    assert str(repository.path) in report.problem


def test_refreshing_shows_the_repository_as_it_is_now(
    host: LocalCodeHost, repository: GitRepository
) -> None:
    before = host.find_repository(str(repository.path))
    repository.rename_default_branch("trunk")

    now = host.refresh_repository(_track(before))

    assert now.default_branch == "trunk"
    assert (now.source, now.full_name) == (before.source, before.full_name)


def test_nothing_of_a_repository_is_run_when_its_refs_are_read(
    tmp_path: Path, host: LocalCodeHost, repository: GitRepository
) -> None:
    marker = tmp_path / "pwned"
    for key in ("core.fsmonitor", "core.pager", "gpg.program", "core.sshCommand", "alias.rev-list"):
        repository.git("config", key, f"!touch {marker}")
    repository.git("config", "log.showSignature", "true")
    repository.git("update-ref", "--no-deref", "HEAD", repository.head())

    assert host.find_repository(str(repository.path)).default_branch == "HEAD"
    assert not marker.exists()


def test_the_stable_id_never_changes() -> None:
    expected = SourceId(SourceKind.LOCAL, "3879700586840846022")

    assert make_source_id(Path("/srv/git/project.git")) == expected
    assert make_full_name(Path("/srv/git/project.git")) == "local/project-6baeee"
