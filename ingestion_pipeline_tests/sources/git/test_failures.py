"""Hosts that refuse, fail, hang or cut off: which error, and what it says."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import (
    AuthenticationError,
    ConfigurationError,
    HostUnavailableError,
    IngestionError,
    RateLimitedError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryLimitError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.failures import explain_failure, scrub
from ingestion_pipeline.sources.git.process import GitOutcome
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.servers.git_http import HANG, TRUNCATE, GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import fetch_files

TOKEN = "ghp_0123456789abcdef"


@pytest.fixture
def source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    server.token = TOKEN
    return FetchSource(f"{server.url}/owner/name.git", server.authorization)


def test_a_token_opens_what_is_closed(mirror: GitMirror, source: FetchSource) -> None:
    assert "README.md" in fetch_files(mirror, source)


@pytest.mark.parametrize("authorization", ["", "Basic d3Jvbmc6d3Jvbmc=", "Bearer nonsense"])
def test_a_missing_or_wrong_token_is_an_authentication_error(
    mirror: GitMirror, source: FetchSource, authorization: str
) -> None:
    with pytest.raises(AuthenticationError, match="INGESTION_GITHUB_TOKEN"):
        mirror.fetch(replace(source, authorization=authorization), ["main"])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (403, RepositoryForbiddenError),
        (404, RepositoryNotFoundError),
        (410, RepositoryNotFoundError),
        (429, RateLimitedError),
        (451, RepositoryBlockedError),
        (500, HostUnavailableError),
        (502, HostUnavailableError),
        (503, HostUnavailableError),
    ],
)
def test_every_status_has_its_error_and_leaves_the_mirror_as_it_was(
    mirror: GitMirror,
    source: FetchSource,
    server: GitHttpServer,
    status: int,
    error: type[IngestionError],
) -> None:
    mirror.fetch(source, ["main"])
    server.status = status

    with pytest.raises(error) as raised:
        mirror.fetch(source, ["main"])

    assert type(raised.value) is error
    assert source.url in str(raised.value)
    server.status = 0
    assert mirror.fetch(source, ["main"]).rebuilt_because == ""


def test_a_repository_that_is_not_there_is_not_found(
    mirror: GitMirror, server: GitHttpServer
) -> None:
    with pytest.raises(RepositoryNotFoundError):
        mirror.fetch(FetchSource(f"{server.url}/owner/none.git"), ["main"])


def test_a_redirect_is_not_followed_and_the_token_stays_here(
    tmp_path: Path, mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    with GitHttpServer(tmp_path / "served") as elsewhere:
        server.redirect_to = elsewhere.url

        with pytest.raises(RepositoryUnavailableError, match="redirects"):
            mirror.fetch(source, ["main"])

        assert elsewhere.requests == []


def test_a_refused_connection_is_a_host_that_is_unavailable(
    mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    server.__exit__(None, None, None)

    with pytest.raises(HostUnavailableError):
        mirror.fetch(source, ["main"])

    server.__enter__()


@pytest.mark.parametrize("limit_seconds", [3.0, 1.0])
def test_a_host_that_hangs_is_unavailable(
    make_mirror: Callable[..., GitMirror],
    source: FetchSource,
    server: GitHttpServer,
    limit_seconds: float,
) -> None:
    """With 3 s, curl's limit on silence ends it; with 1 s, the time limit of the fetch."""
    server.misbehaviour = HANG
    mirror = make_mirror(replace(LIMITS, timeout_seconds=limit_seconds))

    with pytest.raises(HostUnavailableError):
        mirror.fetch(source, ["main"])


def test_a_truncated_pack_is_thrown_away_and_fetched_again(
    repository: GitRepository, mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    fetch_files(mirror, source)
    repository.commit({f"more-{i}": f"{i}\n" * 100 for i in range(200)})
    server.misbehaviour = TRUNCATE

    with pytest.raises(HostUnavailableError):
        mirror.fetch(source, ["main"])

    assert not list((mirror.path / "objects" / "pack").glob("tmp_*"))
    server.misbehaviour = ""
    assert mirror.fetch(source, ["main"]).rebuilt_because == ""
    assert len(fetch_files(mirror, source)) == 202


def test_a_slow_fetch_names_the_setting_and_a_silent_one_is_the_hosts_fault() -> None:
    source = FetchSource("https://github.com/o/n.git")
    over = GitOutcome(-9, b"", "", timed_out=True)

    slow = explain_failure(over, source, LIMITS, received_bytes=1000)
    silent = explain_failure(over, source, LIMITS, received_bytes=0)

    assert isinstance(slow, RepositoryLimitError)
    assert "INGESTION_CLONE_TIMEOUT_SECONDS" in str(slow)
    assert isinstance(silent, HostUnavailableError)


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("fatal: unable to access 'https://x/': Could not resolve host: x", HostUnavailableError),
        ("error: RPC failed; curl 92 HTTP/2 stream 5 was not closed", HostUnavailableError),
        ("fatal: unable to access 'https://x/': SSL certificate problem", HostUnavailableError),
        ("fatal: write error: No space left on device", ConfigurationError),
        ("fatal: unable to write file: File too large\nfatal: early EOF", RepositoryLimitError),
        ("fatal: pack has 3 unresolved deltas\nfatal: fetch-pack: invalid index-pack output", None),
        ("fatal: bad object 1234", None),
    ],
)
def test_words_of_git_that_are_hard_to_provoke(
    stderr: str, error: type[IngestionError] | None
) -> None:
    found = explain_failure(
        GitOutcome(128, b"", stderr), FetchSource("https://github.com/o/n"), LIMITS, 0
    )

    assert type(found) is (error or type(None))


@pytest.mark.parametrize("name", ["wolfSSL/wolfssl", "o/No space left", "o/returned error: 404"])
def test_the_name_of_a_repository_does_not_decide_the_error(name: str) -> None:
    source = FetchSource(f"https://github.com/{name}")
    stderr = f"remote: File too large\nfatal: unable to access '{source.url}/': error: 403"
    stderr = stderr.replace("error: 403", "The requested URL returned error: 403")

    found = explain_failure(GitOutcome(128, b"", stderr), source, LIMITS, 0)

    assert isinstance(found, RepositoryForbiddenError)


_SECRETS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60
).filter(lambda s: s not in "remote: you sent x-access-token and *** authorization://@")


@given(secret=_SECRETS, scheme=st.sampled_from(["basic", "bearer"]))
def test_what_a_server_repeats_is_scrubbed(secret: str, scheme: str) -> None:
    encoded = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
    value = f"Basic {encoded}" if scheme == "basic" else f"Bearer {secret}"
    source = FetchSource("https://github.com/o/n", value)
    stderr = f"remote: you sent {value} and {secret} and https://u:{secret}@h\x1b[31m\nfatal: x"

    scrubbed = scrub(stderr, source)

    assert secret not in scrubbed
    assert scheme == "bearer" or encoded not in scrubbed
    assert scrubbed.isprintable()


def test_a_token_with_a_line_break_is_refused_without_being_shown(
    mirror: GitMirror, source: FetchSource
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        mirror.fetch(replace(source, authorization=f"Bearer {TOKEN}\r\nHost: evil"), ["main"])

    assert TOKEN not in str(raised.value)
