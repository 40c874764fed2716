"""Which URLs git may be pointed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.errors import HostNotAllowedError
from ingestion_pipeline.sources.git import check_allowed_url

_HOSTS = ("github.com", "ghe.example:8443", "http://plain.example", "127.0.0.1", "[::1]:81")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/pallets/flask.git",
        "https://GitHub.com/pallets/flask",
        "https://github.com:443/pallets/flask",
        "https://ghe.example:8443/o/n.git",
        "http://plain.example/o/n.git",
        "https://plain.example/o/n.git",
        "http://127.0.0.1:45123/o/n.git",
        "http://[::1]:81/o/n.git",
    ],
)
def test_hosts_on_the_list_pass(url: str) -> None:
    check_allowed_url(url, _HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/o/n.git",
        "https://github.com.evil.example/o/n.git",
        "https://ghe.example/o/n.git",
        "http://github.com/o/n.git",
        "http://[::1]:82/o/n.git",
        "http://localhost/o/n.git",
        "https://github.com",
        "https://github.com/",
        "https:///o/n.git",
        "https://github.com:port/o/n.git",
        "https://github.com:99999/o/n.git",
        "https://github.com/o/n.git?x=1",
        "https://github.com/o/n.git#x",
        "https://github.com\\@evil.example/o/n.git",
        "https://evil.example\\.github.com/o/n.git",
        "https://github.com/o/n.git\n",
        "https://git\thub.com/o/n.git",
        "https://g\u0131thub.com/o/n.git",
        "ssh://github.com/o/n.git",
        "git://github.com/o/n.git",
        "ext::sh -c touch% /tmp/x",
        "file:///etc",
        "/etc",
        "relative/path",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x",
        "git@github.com:o/n.git",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(HostNotAllowedError):
        check_allowed_url(url, _HOSTS)


def test_the_message_names_the_host_and_the_setting() -> None:
    with pytest.raises(HostNotAllowedError, match=r"gitlab\.com .*INGESTION_ALLOWED_HOSTS"):
        check_allowed_url("https://gitlab.com/o/n.git", _HOSTS)


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=12))
def test_credentials_are_refused_and_never_repeated(token: str) -> None:
    with pytest.raises(HostNotAllowedError) as raised:
        check_allowed_url(f"https://user:{token}@github.com/o/n.git", _HOSTS)

    assert token not in str(raised.value)


def test_a_path_passes_only_where_local_repositories_are_allowed() -> None:
    check_allowed_url("/srv/git/project.git", (), allow_local=True)

    with pytest.raises(HostNotAllowedError, match="INGESTION_ALLOW_LOCAL_REPOSITORIES"):
        check_allowed_url("/srv/git/project.git", _HOSTS)


@pytest.mark.parametrize("url", ["file:///srv/git", "-x", "relative", "/a\nb"])
def test_allowing_paths_allows_nothing_else(url: str) -> None:
    with pytest.raises(HostNotAllowedError):
        check_allowed_url(url, (), allow_local=True)
