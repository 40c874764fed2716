"""``encoder``: trained on small histories, measured, used, and gone back from."""

import re
from pathlib import Path

import pytest

from ingestion_pipeline.core.points import Point, PointFilter
from ingestion_pipeline.embed.installed import load_installed_weights
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline_tests.cli.home import KEY, CommandHome
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.training.histories import make_history


@pytest.fixture
def offices(tmp_path: Path) -> Path:
    return make_history(tmp_path / "offices").path


@pytest.fixture
def others(tmp_path: Path) -> Path:
    return make_history(tmp_path / "others.git", ("tax", "clock", "mail")).path


def test_train_use_and_go_back(home: CommandHome, offices: Path, others: Path) -> None:
    home.add_repository()
    home.run("track", KEY)
    home.run("sync")
    trained = home.run(
        *("encoder", "train", offices, "--held-out", others, "--name", "mine-1", "--steps", "4")
    )
    assert "| docstring → function | dense |" in trained
    assert "Use it: ingestion-pipeline encoder use mine-1" in trained
    folder = home.folder / ".data" / "encoders"
    left = {path.name for path in folder.iterdir()}
    assert left == {"mine-1.npz", "mine-1.png", "training.lock"}
    assert (folder / "mine-1.png").read_bytes().startswith(b"\x89PNG")

    assert "mine-1 is in use." in home.run("encoder", "use", "mine-1")
    assert re.search(r"mine-1 +│ yes +│ 1 repositor", home.run("encoder", "list"))
    preview = home.run("sync", "--dry-run")
    said = " ".join(preview.split())
    assert "about 7 points to embed or compare and write" in said
    assert (
        "main: the encoder changed from codegraph-1 to mine-1: from the collection "
        "code_codegraph-1 to code_mine-1, which answers once every repository has moved."
    ) in said
    assert "8 points (0 added, 8 changed" in home.run("sync")
    assert {point["encoder_version"] for point in home.read_points().values()} == {"mine-1"}
    assert "src/purr.py" in home.run("search", "purr")
    assert home.run("sync") == "octo/cat: up to date\n"

    home.run("encoder", "use", "codegraph-1")
    assert "8 points (0 added, 8 changed" in home.run("sync")
    assert {p["encoder_version"] for p in home.read_points().values()} == {"codegraph-1"}
    assert home.run("encoder", "use", "codegraph-1") == "codegraph-1 was in use already.\n"


def test_searches_go_on_while_an_encoder_rolls_out(home: CommandHome, others: Path) -> None:
    home.add_repository()
    home.run("track", KEY)
    other = home.run("track", "--path", others).split()[1]
    home.run("sync")
    home.run("encoder", "use", "hashbag-1")
    home.run("sync", KEY)
    note = (
        "Searches answer by codegraph-1 until all repositories have moved to hashbag-1: 1 of 2 "
        f"have; missing: {other}."
    )
    for words, found in (("purr", KEY), ("mail", other)):
        said = home.run("search", words)
        assert f"{found}@" in said
        assert note in said
    for command in (("encoder", "list"), ("repositories",)):
        assert note in home.run(*command)
    home.run("sync")
    said = home.run("search", "mail")
    assert f"{other}@" in said
    assert "Searches answer" not in said
    assert home.run("encoder", "switch") == "Searches answer by hashbag-1 already.\n"
    assert not (home.folder / ".data" / "qdrant" / "code_codegraph-1").exists()

    home.run("encoder", "use", "codegraph-1")
    home.run("sync", KEY)
    said = home.run("encoder", "switch")
    assert f"Searches answer by codegraph-1 now. Not found until they are synced: {other}." in said
    assert f"{other}@" not in home.run("search", "mail")
    home.run("sync")
    assert f"{other}@" in home.run("search", "mail")


def test_points_of_another_encoder_are_refused(home: CommandHome) -> None:
    home.add_repository()
    home.run("track", KEY)
    home.run("sync")
    store = EdgePointStore(home.folder / ".data" / "qdrant")
    where = PointFilter({"path": "README.md"})
    [point] = store.scroll("code_codegraph-1", where, with_vectors=True)
    assert point.dense is not None
    assert point.sparse is not None
    payload = {**point.payload, "encoder_version": "foreign-1"}
    store.upsert("code_codegraph-1", [Point(point.id, point.dense, point.sparse, payload)])
    store.close()
    said = home.refuse("search", "purr readme octo")
    assert f"{KEY} has points of the encoder foreign-1 among those of codegraph-1" in said
    assert f"ingestion-pipeline sync {KEY} --full-reindex" in said
    home.run("sync", KEY, "--full-reindex")
    assert "src/purr.py" in home.run("search", "purr readme octo")


def test_train_on_what_is_tracked(home: CommandHome, offices: Path, others: Path) -> None:
    home.add_repository()  # one commit, so nothing to learn from
    home.run("track", KEY)
    home.run("track", "--path", offices)
    said = home.refuse("encoder", "train", "--steps", "4")
    assert "Track more: ingestion-pipeline track owner/name" in said
    assert f"{KEY}: " in said

    key = home.run("track", "--path", others).split()[1]
    assert key.startswith("local/others")
    said = home.refuse("encoder", "train", "--held-out", "octo/unknown")
    assert "octo/unknown: not tracked" in said
    said = home.run("encoder", "train", "--held-out", key, "--steps", "4", "--name", "mine-1")
    assert f"Left out: {KEY}." in said
    assert "has no history to learn from" in said
    assert "Use it: ingestion-pipeline encoder use mine-1" in said
    facts = load_installed_weights(home.folder / ".data" / "encoders", "mine-1").facts
    assert facts["held_out"] == [key]


def test_a_choice_that_says_nothing_is_mended(home: CommandHome) -> None:
    folder = home.folder / ".data" / "encoders"
    folder.mkdir(parents=True)
    (folder / "in-use").write_bytes(b"\xff\x00")
    advice = "ingestion-pipeline encoder use codegraph-1"
    assert advice in home.refuse("encoder", "list")
    assert "codegraph-1 is in use." in home.run(*advice.split()[1:])
    assert re.search(r"codegraph-1 +│ yes", home.run("encoder", "list"))


def test_an_encoder_is_not_trained_over(home: CommandHome, offices: Path, others: Path) -> None:
    arguments = (offices, others, "--name", "mine-1", "--steps", "2")
    home.run("encoder", "train", *arguments)
    path = home.folder / ".data" / "encoders" / "mine-1.npz"
    before = path.read_bytes()
    said = home.refuse("encoder", "train", *arguments, "--seed", "1")
    assert f"There is an encoder mine-1 already, {path}. Choose another name" in said
    assert path.read_bytes() == before


def test_evaluate_writes_table_and_picture(
    home: CommandHome, offices: Path, others: Path, tmp_path: Path
) -> None:
    out, plot = tmp_path / "table.md", tmp_path / "plot.png"
    arguments = ("--encoder", "hashbag-1", "--out", out, "--plot", plot)
    shown = home.run("encoder", "evaluate", offices, others, *arguments)
    assert re.search(r"\| docstring → function \| BM25 \| 0\.\d{3} \| \d\.\d{3} \|  \|", shown)
    assert re.search(r"hashbag-1 fused \| \d\.\d{3} \| \d\.\d{3} \| \d\.\d\d \(\d\.\d\d to", shown)
    assert re.search(r"\| docstring → function \| others \| 6 \|", shown)
    assert out.read_text().strip() == shown.strip()
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_one_repository_cannot_be_on_both_sides(home: CommandHome, offices: Path) -> None:
    assert "Give more, or --held-out." in home.refuse("encoder", "train", offices)


def test_bad_input_is_refused(home: CommandHome, offices: Path, tmp_path: Path) -> None:
    said = home.refuse("encoder", "train", offices, "--name", "hashbag-1")
    assert "cannot name a trained encoder" in said
    assert "There are: hashbag-1, codegraph-1" in home.refuse("encoder", "use", "nothing-1")
    (tmp_path / "empty").mkdir()
    assert "empty" in home.refuse("encoder", "evaluate", tmp_path / "empty")
    result = home.invoke("encoder", "evaluate", tmp_path / "missing")
    assert result.exit_code == 2
    assert "does not exist" in result.output


def test_a_damaged_encoder_is_listed_as_such(home: CommandHome) -> None:
    folder = home.folder / ".data" / "encoders"
    folder.mkdir(parents=True)
    (folder / "mine-1.npz").write_bytes(b"PK not really")
    shown = home.run("encoder", "list")
    assert "mine-1.npz is no whole file of encoder weights" in shown
    assert re.search(r"mine-1 +│ +│ damaged", shown)
    assert re.search(r"codegraph-1 +│ yes", shown)


def test_a_repository_that_measures_nothing_is_refused(home: CommandHome, tmp_path: Path) -> None:
    git = GitRepository(tmp_path / "prose", {"a.md": "# A\n"})
    git.commit({"a.md": "# A and more of it\n"}, "Say more of it")
    assert "neither documented functions nor commits" in home.refuse(
        "encoder", "evaluate", git.path
    )
