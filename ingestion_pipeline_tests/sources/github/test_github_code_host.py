"""What is GitHub's own: refusals, rate limits, Enterprise, and where the token goes."""

import base64
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from ingestion_pipeline.core.errors import (
    AuthenticationError,
    ConfigurationError,
    HostNotAllowedError,
    HostUnavailableError,
    IngestionError,
    RateLimitedError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
)
from ingestion_pipeline.sources.github import GitHubCodeHost
from ingestion_pipeline.sources.github.transport import GitHubTransport
from ingestion_pipeline_tests.fakes.clock import START, FakeClock
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.servers.github import FakeGitHubServer
from ingestion_pipeline_tests.sources.github.code_host_worlds import TOKEN, make_github_host
from ingestion_pipeline_tests.sources.github.tracked import add_many, add_tracked


def test_a_private_repository_needs_the_token(
    server: FakeGitHubServer, host: GitHubCodeHost, anonymous: GitHubCodeHost
) -> None:
    server.add_repository("octo/secret", private=True)

    assert host.find_repository("octo/secret").full_name == "octo/secret"
    with pytest.raises(RepositoryNotFoundError, match="INGESTION_GITHUB_TOKEN"):
        anonymous.find_repository("octo/secret")


def test_blocked_by_451_and_by_403(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    for name, reason in (("octo/a", "dmca"), ("octo/b", "tos")):
        server.add_repository(name)
        server.block(name, reason)
        with pytest.raises(RepositoryBlockedError, match=reason):
            host.find_repository(name)


def test_forbidden_repeats_what_github_says(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    server.add_repository("octo/a")
    server.forbid("octo/a")

    with pytest.raises(RepositoryForbiddenError, match="SAML"):
        host.find_repository("octo/a")


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait_seconds"),
    [
        (403, {"Retry-After": "30"}, "You have exceeded a secondary rate limit.", 30),
        (429, {"Retry-After": "7"}, "Too many requests", 7),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (429, {}, "Too many requests", 60),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START.timestamp()) + 99)},
            "API rate limit exceeded for 127.0.0.1.",
            99,
        ),
    ],
)
def test_every_kind_of_rate_limit(
    server: FakeGitHubServer,
    host: GitHubCodeHost,
    status: int,
    headers: dict[str, str],
    message: str,
    wait_seconds: int,
) -> None:
    server.add_repository("octo/a")
    server.fail(status, headers=headers, message=message)

    with pytest.raises(RateLimitedError) as caught:
        host.find_repository("octo/a")

    assert caught.value.resets_at == START + timedelta(seconds=wait_seconds)
    # PyGithub's own retries would have slept and asked again.
    assert server.requests["repository"] == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_is_tried_twice(server: FakeGitHubServer, host: GitHubCodeHost, status: int) -> None:
    server.fail(status)

    with pytest.raises(HostUnavailableError, match=str(status)):
        host.find_repository("octo/a")
    assert server.requests["repository"] == 2


def test_a_hanging_server(server: FakeGitHubServer) -> None:
    server.hang()
    host = make_github_host(server, timeout_seconds=0.2)

    with pytest.raises(HostUnavailableError, match="INGESTION_GITHUB_TIMEOUT_SECONDS"):
        host.find_repository("octo/a")
    assert server.requests["repository"] == 1


def test_nobody_listens() -> None:
    host = GitHubCodeHost(api_url="http://127.0.0.1:9", token=TOKEN, clock=FakeClock())

    with pytest.raises(HostUnavailableError, match="INGESTION_GITHUB_API_URL"):
        host.find_repository("octo/a")


@pytest.mark.parametrize("location", ["http://localhost:1/repositories/1", "https://127.0.0.1/x"])
def test_a_redirect_elsewhere_is_not_followed(
    server: FakeGitHubServer, host: GitHubCodeHost, location: str
) -> None:
    server.fail(301, headers={"Location": location})

    with pytest.raises(HostUnavailableError, match="redirected"):
        host.find_repository("octo/a")


@pytest.mark.parametrize("status", [200, 302, 418])
def test_an_answer_that_makes_no_sense(
    server: FakeGitHubServer, host: GitHubCodeHost, status: int
) -> None:
    server.fail(status)

    with pytest.raises(HostUnavailableError):
        host.find_repository("octo/a")


def test_an_enterprise_server() -> None:
    with FakeGitHubServer(tokens=(TOKEN,), enterprise=True) as server:
        tracked = add_many(server, 2)
        server.rename("octo/r0", "octo/moved")
        host = make_github_host(server)

        assert host.find_repository(f"{server.origin}/octo/r0.git").full_name == "octo/moved"
        assert len(host.check_freshness(tracked).states) == 2
        assert server.requests["graphql"] == 1
        host.close()


def test_one_connection_is_never_lent_twice() -> None:
    # The race that this prevents needs a thread switch within a few instructions of PyGithub, so
    # the lending is looked at instead.
    transport = GitHubTransport("https://api.github.com", None, 1)
    with transport._borrow() as first, transport._borrow() as second:
        assert first is not second
    with transport._borrow() as again:
        assert again in (first, second)
    transport.close()


def test_many_threads_get_their_own_answers(server: FakeGitHubServer, host: GitHubCodeHost) -> None:
    names = [tracked.partition_key for tracked in add_many(server, 100)]

    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(host.find_repository, names))

    assert [hosted.full_name for hosted in found] == names


def test_git_gets_the_token_for_its_own_host_only(host: GitHubCodeHost) -> None:
    own = replace(make_hosted(), clone_url="http://127.0.0.1:1/octo/cat.git")

    source = host.get_fetch_source(own)

    login = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert source.url == own.clone_url
    assert source.authorization == f"Basic {login}"
    assert login not in repr(source)


@pytest.mark.parametrize(
    "clone_url",
    [
        "https://github.com/octo/cat.git",  # not on this host's allow-list
        "https://127.0.0.1@evil.example/octo/cat.git",
        "https://me:pass@127.0.0.1/octo/cat.git",
        "ssh://127.0.0.1/octo/cat.git",
        "file:///etc",
        "/etc",
        "",
    ],
)
def test_git_fetches_from_nowhere_else(host: GitHubCodeHost, clone_url: str) -> None:
    with pytest.raises(HostNotAllowedError):
        host.get_fetch_source(replace(make_hosted(), clone_url=clone_url))


def test_an_allowed_host_of_others_gets_no_token() -> None:
    host = GitHubCodeHost(
        token=TOKEN, allowed_hosts=("github.com", "mirror.example.com"), clock=FakeClock()
    )
    mirrored = replace(make_hosted(), clone_url="https://mirror.example.com/octo/cat.git")

    assert host.get_fetch_source(mirrored).authorization == ""
    assert host.get_fetch_source(make_hosted()).authorization != ""
    with pytest.raises(HostNotAllowedError, match="https"):
        host.get_fetch_source(replace(make_hosted(), clone_url="http://github.com/octo/cat.git"))


def test_only_https_apis() -> None:
    with pytest.raises(ConfigurationError):
        GitHubCodeHost(api_url="http://ghe.example.com/api/v3", clock=FakeClock())


def test_the_token_shows_nowhere(
    server: FakeGitHubServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tracked = add_tracked(server, "octo/a")
    host = make_github_host(server, timeout_seconds=0.2)
    shown = [repr(host)]

    def provoke(kind: type[IngestionError]) -> None:
        with pytest.raises(kind) as caught:
            host.refresh_repository(tracked)
        shown.extend(traceback.format_exception(caught.value))
        assert caught.value.__context__ is None  # it would hold the request, headers and all
        shown.append(host.check_freshness([tracked]).problem)

    server.fail(500)
    provoke(HostUnavailableError)
    server.heal()
    server.hang()
    provoke(HostUnavailableError)
    server.heal()
    server.revoke_tokens()
    provoke(AuthenticationError)
    host.close()

    encoded = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    text = "\n".join([*shown, caplog.text])
    assert "repositories" in text
    assert TOKEN not in text
    assert encoded not in text
