import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.errors import (
    ConfigurationError,
    HostNotAllowedError,
    InvalidRepositoryNameError,
)
from ingestion_pipeline.sources.github.reference import (
    get_web_host,
    parse_api_url,
    parse_reference,
)

ALLOWED = ("github.com", "gitlab.com", "ghe.example.com")


@pytest.mark.parametrize(
    "reference",
    [
        "octo/cat",
        " octo/cat ",
        "octo/cat.git",
        "octo/cat/",
        "github.com/octo/cat",
        "www.github.com/octo/cat",
        "GitHub.com/octo/cat",
        "https://github.com/octo/cat",
        "https://github.com/octo/cat.git",
        "https://github.com/octo/cat/",
        "https://www.github.com/octo/cat",
        "http://github.com/octo/cat",
        "git@github.com:octo/cat.git",
        "git@github.com:octo/cat",
        "ssh://git@github.com/octo/cat.git",
    ],
)
def test_every_usual_form(reference: str) -> None:
    assert parse_reference(reference, "github.com", ALLOWED) == "octo/cat"


@pytest.mark.parametrize(
    "reference",
    ["https://ghe.example.com/octo/cat", "git@ghe.example.com:octo/cat.git", "octo/cat"],
)
def test_an_enterprise_host(reference: str) -> None:
    assert parse_reference(reference, "ghe.example.com", ALLOWED) == "octo/cat"


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "cat",
        "octo/cat/issues",
        "github.com/octo",
        "https://github.com/octo",
        "https://github.com/octo/cat/tree/main",
        "https://github.com/octo/cat?tab=readme",
        "https://github.com/octo/..",
        "octo/cat;rm -rf",
        "octo/-upload-pack=x",
        "ftp://github.com/octo/cat",
        "file:///etc/passwd",
        "https://[broken/octo/cat",
        "octo/cät",
    ],
)
def test_malformed_ones_are_told_the_right_form(reference: str) -> None:
    with pytest.raises(
        InvalidRepositoryNameError, match=r"owner/name or https://github\.com/owner"
    ):
        parse_reference(reference, "github.com", ALLOWED)


@pytest.mark.parametrize(
    "reference",
    [
        "https://evil.example/octo/cat",
        "evil.example/octo/cat",
        "git@evil.example:octo/cat.git",
        "https://github.com.evil.example/octo/cat",
        "https://127.0.0.1:8080/octo/cat",
    ],
)
def test_other_hosts_name_the_setting(reference: str) -> None:
    with pytest.raises(HostNotAllowedError, match="Add it to INGESTION_ALLOWED_HOSTS"):
        parse_reference(reference, "github.com", ALLOWED)


def test_an_allowed_host_that_the_api_does_not_speak_for() -> None:
    with pytest.raises(HostNotAllowedError, match=r"Point INGESTION_GITHUB_API_URL"):
        parse_reference("https://gitlab.com/octo/cat", "github.com", ALLOWED)


@pytest.mark.parametrize(
    "reference",
    [
        "https://me:s3cret@github.com/octo/cat",
        "https://s3cret@github.com/octo/cat",
        "me:s3cret@github.com/octo/cat",
        "s3cret@github.com/octo/cat",
        "s3cret@octo/cat",
        "ssh://git:s3cret@github.com/octo/cat",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(reference: str) -> None:
    with pytest.raises(InvalidRepositoryNameError, match="INGESTION_GITHUB_TOKEN") as caught:
        parse_reference(reference, "github.com", ALLOWED)
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=60))
def test_anything_typed_is_a_name_or_one_of_two_errors(reference: str) -> None:
    try:
        name = parse_reference(reference, "github.com", ALLOWED)
    except (InvalidRepositoryNameError, HostNotAllowedError):
        return
    owner, slash, repository = name.partition("/")
    assert owner
    assert slash
    assert repository
    assert "/" not in repository


@pytest.mark.parametrize(
    ("api_url", "web_host"),
    [
        ("https://api.github.com", "github.com"),
        ("https://api.github.com/", "github.com"),
        ("https://ghe.example.com/api/v3", "ghe.example.com"),
        ("https://api.octo.ghe.com", "octo.ghe.com"),
        ("http://127.0.0.1:8000", "127.0.0.1"),
        ("http://localhost:8000", "localhost"),
    ],
)
def test_the_web_host_of_an_api(api_url: str, web_host: str) -> None:
    assert get_web_host(parse_api_url(api_url)) == web_host


@pytest.mark.parametrize(
    "api_url", ["http://api.github.com", "api.github.com", "", "ftp://api.github.com", "https://"]
)
def test_only_https_apis(api_url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an https URL"):
        parse_api_url(api_url)


def test_an_api_url_with_credentials_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="INGESTION_GITHUB_TOKEN") as caught:
        parse_api_url("https://me:s3cret@ghe.example.com/api/v3")
    assert "s3cret" not in str(caught.value)
