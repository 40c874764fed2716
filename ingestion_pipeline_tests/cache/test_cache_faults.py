"""Nothing that happens to the file brings a wrong value or an error."""

import logging
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.cache import ContentCache, database
from ingestion_pipeline_tests.cache.writer import (
    BOUND,
    KEYS,
    count_right,
    finish,
    make_key,
    make_value,
    obey_permissions,
    read_line,
    say_go,
    start_writer,
)

VALUES = {make_key(n): make_value(n) for n in range(1_500)}


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A cache's file, its log taken over into it."""
    path = tmp_path_factory.mktemp("whole") / "cache.db"
    cache = ContentCache(path, BOUND)
    cache.put_many(VALUES.items())
    cache.close()
    return path.read_bytes()


def use(path: Path) -> int:
    """Read and write; return how many values of a file were still there, all of them right."""
    cache = ContentCache(path, BOUND)
    found = cache.get_many(VALUES)
    assert found == {key: VALUES[key] for key in found}
    cache.put_many((key, VALUES[key]) for key in cache.find_missing(VALUES))
    cache.put_many([("new", b"value")])
    # What a damaged page hid from the first look is written at the second.
    cache.put_many(VALUES.items())
    assert cache.get_many([*VALUES, "new"]) == {**VALUES, "new": b"value"}
    cache.close()
    return len(found)


def test_the_file_is_deleted_under_an_open_cache(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache.db", BOUND)
    cache.put_many([("a", b"1")])
    for file in tmp_path.glob("cache.db*"):
        file.unlink()

    assert cache.get_many(["a"]) == {}
    cache.put_many([("b", b"2")])
    assert cache.get_many(["a", "b"]) == {"b": b"2"}
    cache.close()
    assert (tmp_path / "cache.db").is_file()


def test_the_folder_is_deleted_under_open_caches(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "cache.db"
    first, second = ContentCache(path, BOUND), ContentCache(path, BOUND)
    first.put_many([("a", b"1")])
    assert second.get_many(["a"]) == {"a": b"1"}
    shutil.rmtree(path.parent)

    second.put_many([("b", b"2")])

    assert first.get_many(["a", "b"]) == second.get_many(["a", "b"]) == {"b": b"2"}
    first.put_many([("c", b"3")])
    first.close()
    assert second.get_many(["b", "c"]) == {"b": b"2", "c": b"3"}
    second.close()


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file(
    whole_file: bytes, tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(whole_file[: int(share * len(whole_file))])

    assert use(path) < len(VALUES)

    # An empty file is no damage: SQLite makes a database of it.
    assert ("damaged" in caplog.text) == (share > 0)


def test_a_file_truncated_under_an_open_cache(whole_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(whole_file)
    cache = ContentCache(path, BOUND)
    assert cache.get_many(VALUES) == VALUES
    with path.open("r+b") as file:
        file.truncate(len(whole_file) // 3)

    found = cache.get_many(VALUES)

    assert found == {key: VALUES[key] for key in found}
    cache.close()
    use(path)


@pytest.mark.parametrize("content", [b"no database at all " * 999, b"\0" * 40_000])
def test_a_file_of_garbage(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(content)
    assert use(path) == 0
    assert "begins anew" in caplog.text


def test_a_file_with_the_tables_of_another_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
        connection.execute("CREATE TABLE entries (other TEXT)")
    connection.close()
    assert use(path) == 0
    assert "layout 99" in caplog.text


def test_a_log_of_garbage(whole_file: bytes, tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(whole_file)
    (tmp_path / "cache.db-wal").write_bytes(random.Random(1).randbytes(100_000))
    (tmp_path / "cache.db-shm").write_bytes(random.Random(2).randbytes(32_768))
    assert use(tmp_path / "cache.db") == len(VALUES)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), holes=st.integers(1, 200), size=st.sampled_from([1, 16, 4_096]))
def test_bytes_overwritten_anywhere(
    whole_file: bytes, tmp_path: Path, seed: int, holes: int, size: int
) -> None:
    chance = random.Random(seed)
    content = bytearray(whole_file)
    for _ in range(holes):
        start = chance.randrange(len(content))
        content[start : start + size] = chance.randbytes(len(content[start : start + size]))
    for file in tmp_path.glob("cache.db*"):
        file.unlink()
    path = tmp_path / "cache.db"
    path.write_bytes(content)

    cache = ContentCache(path, BOUND)
    found = cache.get_many(VALUES)
    assert found == {key: VALUES[key] for key in found}
    cache.put_many(VALUES.items())
    again = cache.get_many(VALUES)
    assert again == {key: VALUES[key] for key in again}
    cache.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE contents SET value = x'00' WHERE id = 7",
        "UPDATE contents SET checksum = checksum + 1 WHERE id = 7",
        "UPDATE contents SET value = 'text' WHERE id = 7",
        "REPLACE INTO contents SELECT 7, checksum, value FROM contents WHERE id = 8",
        "DELETE FROM contents WHERE id = 7",
    ],
)
def test_a_damaged_value_is_missing_and_removed(
    whole_file: bytes, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(whole_file)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(damage)
    connection.close()
    cache = ContentCache(path, BOUND)

    found = cache.get_many(VALUES)

    assert found == {key: VALUES[key] for key in found}
    (lost,) = set(VALUES) - set(found)
    assert cache.find_missing(VALUES) == {lost}
    assert "1 values of the cache" in caplog.text
    cache.put_many([(lost, VALUES[lost])])
    assert cache.get_many(VALUES) == VALUES
    cache.close()


def test_another_process_that_writes_for_long_is_not_waited_for(
    whole_file: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0)
    path = tmp_path / "cache.db"
    path.write_bytes(whole_file)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    cache = ContentCache(path, BOUND, today=lambda: 1)

    assert cache.get_many(VALUES) == VALUES
    cache.put_many([("new", b"value")])
    assert cache.find_missing(["new"]) == {"new"}
    assert "busy" in caplog.text

    holder.execute("COMMIT")
    holder.close()
    cache.put_many([("new", b"value")])
    assert cache.get_many(["new"]) == {"new": b"value"}
    cache.close()


def test_a_place_where_no_file_can_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ContentCache(tmp_path / "file" / "cache.db", BOUND)
    taken: list[int] = []

    def produce(number: int) -> tuple[str, bytes]:
        taken.append(number)
        return str(number), b"value"

    cache.put_many(produce(number) for number in range(2_000))

    assert len(taken) == 2_000
    assert cache.get_many(["1"]) == {}
    assert cache.find_missing(["1"]) == {"1"}
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "goes on without it" in warnings[0].message
    cache.close()


@pytest.mark.slow
def test_killed_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    chance = random.Random(3)
    for number in range(6):
        with start_writer("write_for_ever", path, number * 100) as process:
            for _ in range(chance.randrange(1, 3)):
                assert read_line(process) == "written"
            # Somewhere within the next round of writes, which takes longer than this does.
            process.kill()
            process.wait()
        cache = ContentCache(path, BOUND)
        keys = [make_key(n) for n in range(number * 100, number * 100 + KEYS)]
        assert count_right(cache.get_many(keys)) == KEYS
        cache.close()


@pytest.mark.slow
def test_processes_that_read_and_write_together(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with ExitStack() as stack:
        processes = [stack.enter_context(start_writer("work", path, n)) for n in range(3)]
        for process in processes:
            assert read_line(process) == "ready"
        for process in processes:
            say_go(process)
        reports = [finish(process) for process in processes]
    assert [report for report, _ in reports] == [{"found": KEYS}] * 3
    assert [logged for _, logged in reports] == [""] * 3


@pytest.mark.slow
def test_the_folder_is_deleted_while_processes_work(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "cache.db"
    with ExitStack() as stack:
        processes = [stack.enter_context(start_writer("work", path, n)) for n in range(3)]
        for process in processes:
            assert read_line(process) == "ready"
        for process in processes:
            say_go(process)
        while any(process.poll() is None for process in processes[:1]):
            shutil.rmtree(path.parent, ignore_errors=True)
        reports = [finish(process)[0] for process in processes]
    assert all(set(report) == {"found"} for report in reports)
    use(path)


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    """A file system of its own, in a user's own name space: no privileges, really full."""
    mount = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
    within = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path))
    if shutil.which("unshare") is None or subprocess.run([*within, "true"]).returncode:
        pytest.skip("this machine lets no user mount a tmpfs in a name space of their own")
    with start_writer("fill", tmp_path / "cache.db", within=within) as process:
        report, logged = finish(process)
    assert report["taken"] == 14_000
    assert 0 < report["found"] < 14_000
    assert report["found"] + report["missing"] == 14_000
    assert logged.count("cannot be written") == 1


@pytest.mark.slow
def test_files_that_may_not_grow(tmp_path: Path) -> None:
    with start_writer("fill_small_files", tmp_path / "cache.db") as process:
        report, logged = finish(process)
    assert report["taken"] == 14_000
    assert 0 < report["found"] < 14_000
    assert logged.count("cannot be written") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="root is held to file modes by prctl(2)")
def test_a_folder_that_became_read_only(whole_file: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "cache.db").write_bytes(whole_file)
    (folder / "cache.db").chmod(0o444)
    folder.chmod(0o555)
    with start_writer("fill", folder / "cache.db", before=obey_permissions) as process:
        report, logged = finish(process)
    folder.chmod(0o755)
    assert report == {"taken": 14_000, "found": 0, "missing": 14_000}
    assert logged.count("goes on without it") == 1
    assert (folder / "cache.db").read_bytes() == whole_file
