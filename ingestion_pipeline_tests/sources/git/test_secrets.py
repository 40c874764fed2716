"""The token: seen by the server, and by nobody else."""

import logging
import subprocess
import threading
import traceback
from pathlib import Path

import pytest

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import IngestionError
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.environment import (
    build_fetch_environment,
    build_read_environment,
)
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.servers.git_http import HANG, GitHttpServer
from ingestion_pipeline_tests.sources.git.conftest import LIMITS
from ingestion_pipeline_tests.sources.git.reading import fetch_files

TOKEN = "ghp_SECRETsecretSECRET"


@pytest.fixture
def source(repository: GitRepository, server: GitHttpServer) -> FetchSource:
    server.token = TOKEN
    return FetchSource(f"{server.url}/owner/name.git", server.authorization)


def _holds_secret(text: str, source: FetchSource) -> bool:
    return TOKEN in text or source.authorization.split()[1] in text


def test_the_token_is_in_no_argument_of_any_process(
    mirror: GitMirror, source: FetchSource, server: GitHttpServer
) -> None:
    server.misbehaviour = HANG
    seen_post = threading.Event()
    errors: list[BaseException] = []

    def fetch() -> None:
        try:
            mirror.fetch(source, ["main"])
        except IngestionError as error:
            errors.append(error)

    thread = threading.Thread(target=fetch)
    thread.start()
    for _ in range(3000):
        if any(request.method == "POST" for request in server.requests):
            seen_post.set()
            break
        seen_post.wait(0.02)
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    server.__exit__(None, None, None)
    thread.join()
    server.__enter__()

    assert seen_post.is_set()
    assert source.url in listed, "git-remote-http shows its URL, so this would show a token too"
    assert not _holds_secret(listed, source)
    assert errors


def test_the_token_is_in_no_file_no_log_and_no_error(
    tmp_path: Path,
    mirror: GitMirror,
    source: FetchSource,
    server: GitHttpServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mirror.fetch(source, ["main"])
    shown = [repr(source), str(source)]
    for status in (0, 301, 401, 403, 404, 418, 500):
        server.status = status
        server.token = "another" if status == 0 else TOKEN
        with pytest.raises(IngestionError) as raised:
            mirror.fetch(source, ["main"])
        error: BaseException | None = raised.value
        shown.append("".join(traceback.format_exception(raised.value)))
        while error is not None:
            shown.append(f"{error!r} {error.args!r} {vars(error)!r}")
            error = error.__cause__ or error.__context__

    assert not any(_holds_secret(text, source) for text in shown)
    assert not _holds_secret(caplog.text, source)
    for path in mirror.path.parent.rglob("*"):
        if path.is_file():
            assert not _holds_secret(path.read_bytes().decode("latin-1"), source), path


def test_only_the_fetch_itself_knows_the_token_and_only_for_its_url(source: FetchSource) -> None:
    fetching = build_fetch_environment(source, LIMITS)
    holders = [key for key, value in fetching.items() if _holds_secret(value, source)]

    assert len(holders) == 1
    number = holders[0].removeprefix("GIT_CONFIG_VALUE_")
    assert fetching[f"GIT_CONFIG_KEY_{number}"] == f"http.{source.url}.extraHeader"
    assert not any(_holds_secret(v, source) for v in build_read_environment().values())


def test_nothing_of_our_own_environment_reaches_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: GitMirror, source: FetchSource
) -> None:
    for name in ("GIT_DIR", "GIT_TRACE", "GIT_SSH_COMMAND", "INGESTION_GITHUB_TOKEN", "HOME"):
        monkeypatch.setenv(name, f"/from-outside/{TOKEN}")

    environment = build_fetch_environment(FetchSource(source.url), LIMITS)

    assert not any("from-outside" in value for value in environment.values())
    assert environment["GIT_ALLOW_PROTOCOL"] == "http"
    assert build_read_environment()["GIT_ALLOW_PROTOCOL"] == "none"

    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert len(fetch_files(mirror, source)) == 2
    assert not (tmp_path / "trace").exists()
