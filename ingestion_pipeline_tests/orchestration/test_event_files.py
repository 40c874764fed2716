"""The event log's files are those that Dagster would have made."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from ingestion_pipeline.orchestration.event_files import CopiedEventLogStorage

RUN = "0b9d9e0e-6b0c-4f6e-9d3e-5f1c8f0c2a11"


def make_entry(message: str) -> dg.EventLogEntry:
    return dg.EventLogEntry(None, "info", message, RUN, time.time())


def read_messages(storage: SqliteEventLogStorage) -> list[str]:
    return [entry.user_message for entry in storage.get_logs_for_run(RUN)]


def describe_file(folder: Path) -> tuple[list[tuple[str, str]], list[str], str]:
    """Return the tables and indexes, Dagster's revision, and how the file is written."""
    with closing(sqlite3.connect(folder / f"{RUN}.db")) as connection:
        schema = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    return schema, [revision for (revision,) in revisions], mode


def test_a_file_is_as_dagster_makes_it(tmp_path: Path) -> None:
    folders = {"theirs": SqliteEventLogStorage, "ours": CopiedEventLogStorage}
    for name, storage in folders.items():
        storage(str(tmp_path / name)).store_event(make_entry("first"))
    schema, revisions, mode = describe_file(tmp_path / "ours")
    assert (schema, revisions, mode) == describe_file(tmp_path / "theirs")
    assert "event_logs" in dict(schema)
    assert (len(revisions), mode) == (1, "wal")
    assert read_messages(SqliteEventLogStorage(str(tmp_path / "ours"))) == ["first"]
    modes = {(tmp_path / name / f"{RUN}.db").stat().st_mode for name in folders}
    assert len(modes) == 1, "for the same users"


def test_what_dagster_began_goes_on(tmp_path: Path) -> None:
    SqliteEventLogStorage(str(tmp_path)).store_event(make_entry("first"))
    storage = CopiedEventLogStorage(str(tmp_path))
    storage.store_event(make_entry("second"))
    assert read_messages(storage) == ["first", "second"]
    assert storage.get_all_run_ids() == [RUN]


def test_many_who_write_first_lose_nothing(tmp_path: Path) -> None:
    storages = [CopiedEventLogStorage(str(tmp_path)) for _ in range(6)]
    start = threading.Barrier(len(storages))

    def write(number: int) -> None:
        start.wait()
        storages[number].store_event(make_entry(str(number)))

    with ThreadPoolExecutor(len(storages)) as pool:
        list(pool.map(write, range(len(storages))))
    assert sorted(read_messages(storages[0])) == [str(number) for number in range(len(storages))]
    assert list(tmp_path.glob("*.new")) == []


def test_a_file_system_without_links_has_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    storage = CopiedEventLogStorage(str(tmp_path))
    storage.store_event(make_entry("first"))
    assert read_messages(storage) == ["first"]
    assert list(tmp_path.glob("*.new")) == []
