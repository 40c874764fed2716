"""``verify`` over real adapters: what it prints, how it ends, and what it leaves in the store."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.points import Point, PointFilter, StoredPoint, make_point_id
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.cli.home import KEY, CommandHome, check_refusal


@contextmanager
def opened(home: CommandHome) -> Iterator[Services]:
    """Open what the commands work with, to break it."""
    services = Services(Settings(home=home.folder))
    try:
        yield services
    finally:
        services.close()


def find_point(services: Services, path: str, symbol: str = "") -> StoredPoint:
    source = services.state.list_repositories()[0].source
    point_id = make_point_id(source, "main", path, symbol)
    [found] = services.store.retrieve(services.collection.name, [point_id], with_vectors=True)
    return found


def lose_point(home: CommandHome, path: str, symbol: str = "") -> None:
    with opened(home) as services:
        point = find_point(services, path, symbol)
        services.store.delete(services.collection.name, [point.id])


def add_orphan(home: CommandHome) -> None:
    with opened(home) as services:
        like = find_point(services, "src/purr.py", "purr")
        assert like.dense
        assert like.sparse
        point_id = make_point_id(services.state.list_repositories()[0].source, "main", "gone.py")
        orphan = Point(point_id, like.dense, like.sparse, {**like.payload, "path": "gone.py"})
        services.store.upsert(services.collection.name, [orphan])


def read_row(shown: str, key: str = KEY) -> list[str]:
    [line] = [line for line in shown.splitlines() if line.startswith(f"│ {key}")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_an_index_that_is_true(indexed_home: CommandHome) -> None:
    shown = indexed_home.run("verify")
    assert read_row(shown) == [KEY, "main", "8", "0", "0", "0"]
    assert read_row(indexed_home.run("verify", KEY, KEY)) == read_row(shown)
    assert read_row(indexed_home.run("verify", "--repair")) == read_row(shown)


def test_what_is_wrong_is_shown_ends_with_1_and_is_repaired(indexed_home: CommandHome) -> None:
    home = indexed_home
    whole = home.read_points()
    lose_point(home, "src/voice.py", "Voice")
    add_orphan(home)
    broken = home.read_points()

    result = home.invoke("verify")
    assert read_row(result.stdout) == [KEY, "main", "8", "1", "1", "0"]
    assert (
        "octo/cat main: 1 points of the state are not in the store: src/voice.py (1 of 4)\n"
        in result.stdout
    )
    assert (
        "octo/cat main: 1 points in the store belong to no indexed file: gone.py" in result.stdout
    )
    line = check_refusal(result.exit_code, result.stdout, result.stderr, result.exception)
    assert line == (
        "Not as it should be: octo/cat. Put it right: ingestion-pipeline verify octo/cat --repair"
    )
    assert home.read_points() == broken, "nothing was changed"

    shown = home.run("verify", KEY, "--repair")
    assert "octo/cat: 1 points deleted, 1 files to be written again.\n" in shown
    assert "8 points (0 added, 2 changed, 0 deleted; 0 files parsed, 0 points embedded)" in shown
    assert read_row(shown) == [KEY, "main", "8", "0", "0", "0"]
    mended = home.read_points()
    assert mended.keys() == whole.keys()
    again = {str(p["path"]) for i, p in mended.items() if p != whole[i]}
    assert again <= {"", "src/voice.py"}, "the branch's own point, and the one that was lost"
    assert home.run("sync") == "octo/cat: up to date\n"


def test_a_repair_that_only_deletes_does_not_sync(indexed_home: CommandHome) -> None:
    home = indexed_home
    whole = home.read_points()
    add_orphan(home)
    shown = home.run("verify", "--repair")
    assert "1 points deleted, 0 files to be written again" in shown
    assert "Indexed octo/cat" not in shown
    assert home.read_points() == whole


def test_one_that_cannot_be_compared_does_not_stop_the_others(home: CommandHome) -> None:
    home.add_repository()
    home.add_repository("octo/dog")
    home.run("track", KEY)
    home.run("track", "octo/dog")
    home.run("sync")
    shutil.rmtree(home.folder / ".data" / "mirrors")
    shutil.rmtree(home.git.root / "octo/cat.git")
    result = home.invoke("verify")
    assert "octo/cat: not compared: " in result.stdout
    assert read_row(result.stdout, "octo/dog") == ["octo/dog", "main", "8", "0", "0", "0"]
    line = check_refusal(result.exit_code, result.stdout, result.stderr, result.exception)
    assert line == "Not compared: octo/cat."


def test_a_repository_that_is_being_synced_is_not_compared(indexed_home: CommandHome) -> None:
    home = indexed_home
    with opened(home) as services:
        [row] = services.state.list_repositories()
        with services.state.lock_source(f"sync:{row.source}"):
            result = home.invoke("verify")
    assert result.exit_code == 1
    assert "octo/cat: not compared: Another run or command holds" in result.stdout


def test_points_of_a_repository_that_nobody_knows_are_told(home: CommandHome) -> None:
    """The state was lost, and the repository was not tracked again."""
    home.add_repository()
    home.run("track", KEY)
    home.run("sync")
    with opened(home) as services:
        services.state.forget_source(services.state.list_repositories()[0].source)
    shown = home.run("verify")
    assert shown.startswith("8 points are of repositories that were never tracked here")
    assert len(home.read_points()) == 8


def test_nothing_is_tracked_yet(home: CommandHome) -> None:
    assert home.run("verify").startswith("Nothing is tracked yet")
    assert "octo/cat is not tracked" in home.refuse("verify", KEY)


def test_repositories_tells_when_an_untracked_ones_points_go(home: CommandHome) -> None:
    home.add_repository()
    home.run("track", KEY)
    home.run("sync")
    home.run("untrack", KEY)
    shown = home.run("repositories", COLUMNS="200")
    assert re.search(r"octo/cat *│ - *│ untracked, purged after .*│ - *│ 8 ", shown)
    home.run("untrack", KEY, "--purge")
    assert home.run("repositories").startswith("Nothing is tracked yet")


def test_points_that_say_something_else_are_written_again(indexed_home: CommandHome) -> None:
    home = indexed_home
    whole = home.read_points()
    with opened(home) as services:
        where = PointFilter({"path": "src/purr.py", "kind": "function"})
        [stored] = services.store.scroll(services.collection.name, where, with_vectors=True)
        assert stored.dense
        assert stored.sparse
        point = Point(stored.id, stored.dense, stored.sparse, stored.payload)
        aged = replace(point, payload={**stored.payload, "blob_sha": "0" * 40})
        services.store.upsert(services.collection.name, [aged])
    assert read_row(home.invoke("verify").stdout) == [KEY, "main", "8", "0", "0", "1"]
    home.run("verify", "--repair")
    assert {i: p["blob_sha"] for i, p in home.read_points().items()} == {
        i: p["blob_sha"] for i, p in whole.items()
    }
