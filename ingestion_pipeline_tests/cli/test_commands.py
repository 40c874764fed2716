"""Every command over real adapters: what it prints, and what it leaves behind."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion_pipeline.cli import opening
from ingestion_pipeline_tests.cli.home import FILES, KEY, TOKEN, CommandHome, check_refusal
from ingestion_pipeline_tests.git_repositories import GitRepository

MAIN = "from ingestion_pipeline.cli.main import main; main()"


def test_track_sync_search_untrack_and_purge(home: CommandHome) -> None:
    home.add_repository()
    assert home.run("track", KEY) == "Tracking octo/cat (main).\n"

    synced = home.run("sync")
    head = home.repositories[KEY].head()[:12]
    assert synced.startswith(
        f"Indexed octo/cat at main@{head}: 3 files, 4 symbols, 8 points (8 added, "
    )
    assert home.run("sync") == "octo/cat: up to date\n"
    assert "src/purr.py" in home.run("search", "purr")

    home.push({"src/meow.py": "def meow_loudly():\n    pass\n", "src/voice.py": None})
    assert "2 added" in home.run("sync", KEY)
    assert "src/meow.py" in home.run("search", "meow", "loudly")
    assert "src/voice.py" not in home.run("search", "voice")

    kept = home.run("untrack", KEY)
    assert kept == (
        "Untracked octo/cat. Its points go in 24 hours, or now: "
        "ingestion-pipeline untrack octo/cat --purge\n"
    )
    assert "src/meow.py" in home.run("search", "meow")
    purged = home.run("untrack", KEY, "--purge")
    assert re.fullmatch(r"Untracked octo/cat and deleted \d+ points\.\n", purged)
    assert home.run("search", "meow").startswith("Nothing found.")
    assert home.run("repositories").startswith("Nothing is tracked yet")


def test_run_indexes_a_path_with_blanks_and_unicode_and_shows_samples(home: CommandHome) -> None:
    folder = home.folder.parent / "my projekt ünï"
    GitRepository(folder, FILES, bare=False)
    shown = home.run("run", folder)
    assert re.search(r"^Indexed local/my-projekt-n-[0-9a-f]{6} at main@", shown, re.M)
    assert "│ clone │ parse │ embed │ upsert │ together │".replace("│", "┃") in shown
    assert shown.count("local/my-projekt-n-") == 1 + 3
    assert "Search: " in shown
    assert "http://127.0.0.1:3000" in shown


def test_run_again_changes_nothing(indexed_home: CommandHome) -> None:
    # What changes is the repository's own point, which says when it was looked at last.
    shown = indexed_home.run("run", KEY)
    assert "3 files, 4 symbols, 8 points (0 added, 1 changed, 0 deleted; " in shown
    assert "0 files parsed, 0 points embedded)" in shown


def test_branches_are_chosen_kept_and_given_back(home: CommandHome) -> None:
    home.add_repository()
    home.repositories[KEY].create_branch("next")
    home.push({"next.py": "def next_thing():\n    pass\n"}, branch="next")
    tracked = home.run("track", KEY, "--branch", "main", "--branch", "next")
    assert tracked == "Tracking octo/cat (main, next).\n"
    home.run("sync")
    assert home.run("track", KEY) == "Tracking octo/cat (main, next).\n"
    assert "octo/cat@next" in home.run("search", "next", "thing")
    assert "octo/cat@next" not in home.run("search", "purr", "--branch", "main")
    assert home.run("track", KEY, "--default-branch") == "Tracking octo/cat (main).\n"
    home.run("sync")
    assert "octo/cat@next" not in home.run("search", "next", "thing")


def test_a_name_may_be_a_url(home: CommandHome) -> None:
    home.add_repository()
    assert home.run("track", "http://127.0.0.1/octo/cat.git") == "Tracking octo/cat (main).\n"


def test_a_private_repository_is_cloned_with_the_token(home: CommandHome) -> None:
    home.git.token = TOKEN
    home.add_repository("octo/private", private=True)
    shown = home.run("run", "octo/private", INGESTION_GITHUB_TOKEN=TOKEN)
    assert "Indexed octo/private" in shown
    assert TOKEN not in shown
    written = [path for path in home.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_sync_goes_on_after_a_failure_and_tells_both(home: CommandHome) -> None:
    home.add_repository()
    home.add_repository("octo/dog")
    home.run("track", KEY)
    home.run("track", "octo/dog")
    home.github.block("octo/cat")
    result = home.invoke("sync", "--force")
    assert "octo/cat: failed: GitHub blocks access to octo/cat" in result.stdout
    assert "Indexed octo/dog" in result.stdout
    line = check_refusal(result.exit_code, result.stdout, result.stderr, result.exception)
    assert line == "1 of the runs failed: octo/cat"


def test_repositories_shows_a_rename_and_the_new_name_works(home: CommandHome) -> None:
    home.add_repository()
    home.run("track", KEY)
    home.run("sync")
    (home.git.root / "octo/cat.git").rename(home.git.root / "octo/lion.git")
    home.github.rename(KEY, "octo/lion")
    shown = home.run("repositories", COLUMNS="200")
    assert "octo/cat is called octo/lion now" in shown
    assert "octo/cat is called octo/lion now. Use that name." in home.refuse("untrack", KEY)
    assert "8 points (" in home.run("sync", "octo/lion")
    assert "octo/lion@main" in home.run("search", "purr")


def test_repositories_offline_asks_nobody(indexed_home: CommandHome) -> None:
    indexed_home.github.clear_requests()
    shown = indexed_home.run("repositories", "--offline")
    assert "octo/cat" in shown
    assert "not asked" in shown
    assert not indexed_home.github.requests


@pytest.mark.parametrize("width", [30, 80, 200])
def test_no_name_is_cut_whatever_the_terminal(
    indexed_home: CommandHome, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(opening.console, "_width", width)
    lines = indexed_home.run("repositories", "--offline").splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if "…" in line]
    names = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert "".join(names) == KEY


@pytest.mark.parametrize("width", [30, 80])
def test_hits_are_printed_whole_whatever_the_terminal(
    indexed_home: CommandHome, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(opening.console, "_width", width)
    first, second = indexed_home.run("search", "purr", "--kind", "function").splitlines()[:2]
    assert first == " 1. src/purr.py:4  purr"
    assert re.fullmatch(
        r"    octo/cat@main  python function  -?\d\.\d{4} \(dense #1, words #1\)", second
    )


def test_search_options_narrow_the_hits(indexed_home: CommandHome) -> None:
    assert "README.md" not in indexed_home.run("search", "purr", "--language", "python")
    assert indexed_home.run("search", "purr", "--repo", "octo/dog").startswith("Nothing found.")
    [title, _, *lines] = indexed_home.run("search", "purr", "--limit", "1").splitlines()
    assert title == " 1. src/purr.py:4  purr"
    assert lines[0] == "        4 │ def purr(times):"
    classes = indexed_home.run("search", "voice", "--kind", "class")
    assert "Voice" in classes
    assert "function" not in classes


def test_search_by_likeness_leaves_the_thing_itself_out(indexed_home: CommandHome) -> None:
    shown = indexed_home.run("search", "--like", "src/voice.py::Voice.speak", "--repo", KEY)
    assert " 1. " in shown
    assert "Voice.speak" not in shown
    assert "src/voice.py" in indexed_home.run("search", "--like", "src/purr.py")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--like", "src/gone.py"], "src/gone.py"),
        (["search", "--like", "src/voice.py::gone"], "gone"),
        (["search", "purr", "--limit", "0"], "1 to 1000"),
        (["search", "the"], "Add a word"),
        (["sync", "octo/dog"], "ingestion-pipeline track octo/dog"),
        (["untrack", "octo/cta"], "Did you mean octo/cat?"),
        (["state", "upgrade", "9999"], "Revisions are head, base"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(
    indexed_home: CommandHome, arguments: list[str], said: str
) -> None:
    assert said in indexed_home.refuse(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["track"],
        ["track", KEY, "--path", "."],
        ["search"],
        ["search", "purr", "--like", "src/purr.py"],
        ["search", "purr", "--limit", "many"],
        ["search", "purr", "--kind", "novel"],
        ["state", "downgrade"],
        ["untrack"],
        ["dance"],
        ["repositories", "--onlein"],
    ],
)
def test_a_wrong_usage_exits_with_2(home: CommandHome, arguments: list[str]) -> None:
    result = home.invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: ingestion-pipeline ")
    assert not (home.folder / ".data").exists()


def test_the_state_goes_up_and_down(home: CommandHome) -> None:
    assert home.run("state", "current") == "nothing\n"
    assert home.run("state", "upgrade") == "state is at 0007\n"
    assert home.run("state", "current") == "0007\n"
    assert home.run("state", "downgrade", "base") == "state is at nothing\n"
    home.add_repository()
    home.run("track", KEY)
    assert home.run("state", "current") == "0007\n"


def test_a_lost_state_is_found_again_through_dagsters_partitions(home: CommandHome) -> None:
    home.add_repository()
    home.run("track", KEY)
    home.run("sync")
    home.run("state", "downgrade", "base")
    assert "Indexed octo/cat" in home.run("sync")
    assert len(home.read_points()) == 8


@pytest.mark.slow
def test_the_program_itself_works_from_a_subfolder_and_ends_with_1(home: CommandHome) -> None:
    """A process: the root is found upwards of the working directory, without INGESTION_HOME."""
    below = home.folder / "deep" / "below"
    below.mkdir(parents=True)
    environment = home.make_environment()
    del environment["INGESTION_HOME"]
    done = _start(below, environment, "untrack", "octo/cat")
    line = check_refusal(done.returncode, done.stdout, done.stderr)
    assert line == "octo/cat is not tracked. See ingestion-pipeline repositories."
    assert (home.folder / ".data" / "state.db").is_file()
    assert (home.folder / ".dagster" / "storage").is_dir()
    assert not list(below.iterdir())


@pytest.mark.slow
def test_without_any_dagster_yaml_the_working_directory_is_the_root(
    home: CommandHome, tmp_path: Path
) -> None:
    """As for somebody who installed the wheel."""
    home.add_repository()
    folder = tmp_path / "anywhere"
    folder.mkdir()
    environment = home.make_environment()
    del environment["INGESTION_HOME"]
    done = _start(folder, environment, "run", KEY)
    assert done.returncode == 0, done.stderr
    assert "Indexed octo/cat" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == [".dagster", ".data"]


def _start(
    folder: Path, environment: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
