"""Bad input that comes with a repository: the message says what to do, earlier points stay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion_pipeline_tests.cli.home import KEY, TOKEN, CommandHome, check_refusal
from ingestion_pipeline_tests.git_repositories import GitRepository, Submodule, Symlink

OLD_TOKEN = "ghp_expired-last-night"


@pytest.fixture
def indexed(indexed_home: CommandHome) -> Iterator[CommandHome]:
    """The indexed home; whatever a test breaks is mended, and the points must not have moved."""
    before = indexed_home.read_points()
    assert len(before) == 8
    yield indexed_home
    indexed_home.github.heal()
    indexed_home.github.set_remaining(1000)
    repository = indexed_home.github.get_repository(KEY)
    repository.block_reason = repository.forbidden_message = ""
    indexed_home.git.status = 0
    indexed_home.run("track", KEY)  # what the host was last said to have answered
    assert indexed_home.read_points() == before


def fail_sync(home: CommandHome, **environment: str) -> str:
    """Sync in spite of everything and return why that failed."""
    result = home.invoke("sync", KEY, "--force", **environment)
    line = check_refusal(result.exit_code, result.stdout, result.stderr, result.exception)
    assert line == "1 of the runs failed: octo/cat"
    [reason] = result.stdout.splitlines()
    return reason.removeprefix("octo/cat: failed: ")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("octo/nobody", "does not exist or is private: check the spelling"),
        ("octocat", "Give it as owner/name or https://127.0.0.1/owner/name"),
        ("octo/cat/tail", "Give it as owner/name"),
        ("octo /cat", "Give it as owner/name"),
        ("", "Give it as owner/name"),
        ("https://", "Give it as owner/name"),
        ("https://exa mple/octo/cat", "Give it as owner/name"),
        ("https://[::1/octo/cat", "Give it as owner/name"),
        ("ftp://127.0.0.1/octo/cat", "Give it as owner/name"),
        ("https://127.0.0.1/octo/cat?token=1", "Give it as owner/name"),
        (f"https://{TOKEN}@127.0.0.1/octo/cat", "A token goes into INGESTION_GITHUB_TOKEN"),
        ("https://gitlab.com/octo/cat", "Add it to INGESTION_ALLOWED_HOSTS (now: 127.0.0.1)"),
        ("git@github.com:octo/cat.git", "Add it to INGESTION_ALLOWED_HOSTS"),
    ],
)
def test_a_name_that_leads_nowhere(indexed: CommandHome, reference: str, said: str) -> None:
    before = indexed.run("repositories", "--offline")
    assert said in indexed.refuse("track", "--", reference)
    assert indexed.run("repositories", "--offline") == before


def test_a_private_repository_without_a_token_looks_unknown(indexed: CommandHome) -> None:
    indexed.add_repository("octo/secret", private=True)
    said = indexed.refuse("track", "octo/secret")
    assert "set INGESTION_GITHUB_TOKEN to a token that may read it" in said


@pytest.mark.parametrize("command", [["track", KEY], ["run", KEY]])
def test_an_expired_token(indexed: CommandHome, command: list[str]) -> None:
    said = indexed.refuse(*command, INGESTION_GITHUB_TOKEN=OLD_TOKEN)
    assert said.startswith("GitHub wants a valid token: INGESTION_GITHUB_TOKEN is missing, wrong")
    assert OLD_TOKEN not in said


def test_an_expired_token_in_a_run_and_in_the_table(indexed: CommandHome) -> None:
    assert "INGESTION_GITHUB_TOKEN is missing, wrong or expired" in fail_sync(
        indexed, INGESTION_GITHUB_TOKEN=OLD_TOKEN
    )
    shown = indexed.run("repositories", INGESTION_GITHUB_TOKEN=OLD_TOKEN)
    assert "INGESTION_GITHUB_TOKEN is missing, wrong or expired" in shown
    assert OLD_TOKEN not in shown


def test_a_token_that_git_refuses(indexed: CommandHome) -> None:
    indexed.git.status = 401
    said = fail_sync(indexed)
    assert "Check its name and INGESTION_GITHUB_TOKEN" in said


def test_blocked_for_legal_reasons(indexed: CommandHome) -> None:
    indexed.github.block(KEY)
    assert "Untrack it; only its owner can have the block lifted." in fail_sync(indexed)
    assert "blocked" in indexed.run("repositories", "--offline")
    assert "Untrack it" in indexed.refuse("track", KEY)


def test_forbidden_by_the_organisation(indexed: CommandHome) -> None:
    indexed.github.forbid(KEY)
    said = fail_sync(indexed)
    assert "The token may not read octo/cat" in said
    assert "SAML" in said
    assert "forbidden" in indexed.run("repositories", "--offline")


def test_gone(indexed: CommandHome) -> None:
    indexed.github.fail(404, message="Not Found")
    assert "does not exist or is private" in fail_sync(indexed)
    assert "not_found" in indexed.run("repositories", "--offline")


@pytest.mark.parametrize("status", [403, 429])
def test_rate_limited(indexed: CommandHome, status: int) -> None:
    if status == 429:
        indexed.github.fail(429, headers={"Retry-After": "60"})
    else:
        indexed.github.exhaust_rate_limit()
    for said in (fail_sync(indexed), indexed.refuse("track", KEY)):
        assert "GitHub's rate limit is used up until 20" in said
        assert "set INGESTION_GITHUB_TOKEN" in said
    # Nothing is written down against the repository, so the next tick asks for it again.
    assert "not asked" in indexed.run("repositories", "--offline")


def test_github_answers_502(indexed: CommandHome) -> None:
    indexed.github.fail(502)
    said = fail_sync(indexed)
    assert said.startswith("GitHub answered 502 for octo/cat")
    assert "https://www.githubstatus.com" in said
    assert "GitHub answered 502" in indexed.run("repositories")
    said = indexed.invoke("sync")
    assert said.exit_code == 1
    assert "octo/cat: the host could not be asked this time" in said.stdout
    assert "GitHub answered 502" in said.stderr


def test_a_repository_named_by_a_person_does_not_wait_for_its_delay(home: CommandHome) -> None:
    home.add_repository("octo/dog")
    home.run("track", "octo/dog")
    home.github.fail(502)
    home.invoke("sync", "octo/dog", "--force")
    home.github.heal()
    assert "octo/dog: failed once, next try at" in home.run("sync")
    assert "Indexed octo/dog" in home.run("sync", "octo/dog")


def test_github_cannot_be_reached(indexed: CommandHome) -> None:
    said = fail_sync(indexed, INGESTION_GITHUB_API_URL="http://127.0.0.1:1")
    assert "Check the network, proxies and INGESTION_GITHUB_API_URL" in said


def test_git_answers_503(indexed: CommandHome) -> None:
    indexed.git.status = 503
    assert "The host did not answer properly. It is tried again." in fail_sync(indexed)


def test_a_host_that_is_no_longer_allowed(indexed: CommandHome) -> None:
    said = fail_sync(indexed, INGESTION_ALLOWED_HOSTS="github.com")
    assert "Add it to INGESTION_ALLOWED_HOSTS (now: github.com)" in said


def test_a_branch_that_never_was(indexed: CommandHome) -> None:
    said = indexed.refuse("track", KEY, "--branch", "nope")
    assert said == ("octo/cat has no branch nope. Nothing was changed. Its default branch is main.")


def test_a_branch_that_is_gone(home: CommandHome) -> None:
    home.add_repository()
    home.push({"next.py": "def next_thing():\n    pass\n"}, branch="next")
    home.run("track", KEY, "--branch", "next")
    home.run("sync")
    before = home.read_points()
    home.repositories[KEY].delete_branch("next")
    home.github.delete_branch(KEY, "next")
    assert "ingestion-pipeline track octo/cat --branch NAME" in fail_sync(home)
    assert home.read_points() == before


def test_an_empty_repository_is_no_error_and_fills_later(home: CommandHome) -> None:
    home.add_repository(files=None)
    assert home.run("track", KEY) == (
        "Tracking octo/cat (no branch yet: the repository is empty).\n"
    )
    assert "at none: 0 files, 0 symbols, 0 points" in home.run("run", KEY)
    home.push({"first.py": "def first():\n    pass\n"})
    assert "3 points (3 added" in home.run("sync")


def test_nothing_that_can_be_parsed(home: CommandHome) -> None:
    home.add_repository(files={"logo.bin": b"\x00\x01", "empty.py": ""})
    assert "0 files, 0 symbols, 1 points" in home.run("run", KEY)
    [point] = home.read_points().values()
    assert point["kind"] == "repository"


def test_huge_odd_and_linked_files_do_not_stop_the_others(home: CommandHome) -> None:
    home.add_repository(
        files={
            b"caf\xe9.py": "def latin():\n    pass\n",
            b"huge.py": b"x = 1\n" * 8_500_000,
            b"link.py": Symlink("../../etc/passwd"),
            b"vendor/lib": Submodule(),
            b"src/fine.py": "def fine():\n    pass\n",
        }
    )
    assert "2 files, 2 symbols, 5 points" in home.run("run", KEY)
    paths = {point["path"] for point in home.read_points().values()}
    assert paths == {"", "caf\\xe9.py", "src/fine.py"}


def test_a_path_without_any_repository(home: CommandHome, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    assert "Run `git init` there first." in home.refuse("run", folder)
    assert "is not a git repository" in home.refuse("track", "--path", folder)
    assert "does not exist or is no folder" in home.refuse("track", "--path", tmp_path / "none")


def test_a_folder_inside_a_repository_names_the_repository(
    home: CommandHome, tmp_path: Path
) -> None:
    repository = GitRepository(tmp_path / "tree", {"a.py": ""}, bare=False)
    below = repository.path / "src"
    below.mkdir()
    assert f"{repository.path} is one: track that." in home.refuse("run", below)


def test_paths_where_they_are_switched_off(home: CommandHome, tmp_path: Path) -> None:
    GitRepository(tmp_path / "tree", {"a.py": ""}, bare=False)
    off = {"INGESTION_ALLOW_LOCAL_REPOSITORIES": "false"}
    said = home.refuse("run", tmp_path / "tree", **off)
    assert "Set INGESTION_ALLOW_LOCAL_REPOSITORIES=true" in said
    assert said == home.refuse("track", "--path", tmp_path / "tree", **off)
