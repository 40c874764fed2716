"""Locks between processes, threads and stores."""

import threading
import time
from pathlib import Path

import pytest
from filelock import SoftFileLock

from ingestion_pipeline.core.errors import ConfigurationError, RepositoryBusyError, TransientError
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.state import locks, open_state_store
from ingestion_pipeline.state.database_url import parse_database_url
from ingestion_pipeline.state.store import SqlStateStore
from ingestion_pipeline_tests.state.child import read_line, say_go, start_child

NAME = "pallets/flask"


def is_free(store: StateStore) -> bool:
    try:
        with store.lock_source(NAME):
            return True
    except RepositoryBusyError:
        return False


def wait_until_free(store: StateStore, seconds: float = 30) -> bool:
    """Postgres hears of a client's death a moment after it."""
    deadline = time.monotonic() + seconds
    while not is_free(store):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
def test_a_lock_is_seen_by_other_processes_until_it_is_released(
    sql_store: SqlStateStore, empty_url: str
) -> None:
    with start_child("hold_lock", empty_url) as child:
        assert not is_free(sql_store)

        say_go(child)

        assert read_line(child) == "done"
        assert wait_until_free(sql_store)


@pytest.mark.slow
def test_a_lock_dies_with_its_process(sql_store: SqlStateStore, empty_url: str) -> None:
    with start_child("hold_lock", empty_url) as child:
        assert not is_free(sql_store)

        child.kill()
        child.wait(timeout=30)

        assert wait_until_free(sql_store)


def test_a_lock_is_seen_by_other_stores_of_the_process(
    sql_store: SqlStateStore, empty_url: str
) -> None:
    other = open_state_store(empty_url)
    try:
        with other.lock_source(NAME):
            assert not is_free(sql_store)
        assert is_free(sql_store)
    finally:
        other.close()


def test_of_many_threads_one_gets_the_lock(sql_store: SqlStateStore) -> None:
    start, decided = threading.Barrier(8), threading.Barrier(8)
    outcomes: list[str] = []

    def compete() -> None:
        start.wait(timeout=30)
        try:
            with sql_store.lock_source(NAME):
                outcomes.append("held")
                decided.wait(timeout=30)
        except RepositoryBusyError:
            outcomes.append("busy")
            decided.wait(timeout=30)

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["busy"] * 7 + ["held"]


def test_a_lock_outlives_the_connections_of_its_store(
    sql_store: SqlStateStore, empty_url: str
) -> None:
    other = open_state_store(empty_url)
    with other.lock_source(NAME):
        other.close()
        assert not is_free(sql_store)

    assert is_free(sql_store)


def test_a_folder_that_cannot_hold_locks_is_explained(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    database = tmp_path_factory.mktemp("state") / "state.db"
    store = open_state_store(f"sqlite:///{database}")
    locks = database.with_name("state.db.locks")
    for file in locks.iterdir():
        file.unlink()
    locks.rmdir()
    locks.write_text("a file where the folder should be")
    try:
        with pytest.raises(ConfigurationError, match="writable"), store.lock_source(NAME):
            pytest.fail("locked in a file")
    finally:
        store.close()


def test_a_file_system_without_locks_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What filelock turns its lock into where the file system has no flock.
    monkeypatch.setattr(locks, "FileLock", SoftFileLock)

    with (
        pytest.raises(ConfigurationError, match="no file locks"),
        locks.hold_file_lock(tmp_path / "state.db", NAME),
    ):
        pytest.fail("locked by a mere file")

    assert list((tmp_path / "state.db.locks").iterdir()) == []


def test_a_lock_on_a_server_that_is_down_is_a_passing_trouble(free_port: int) -> None:
    url = parse_database_url(f"postgresql://me:hunter2@127.0.0.1:{free_port}/state")

    with pytest.raises(TransientError, match=NAME) as refused, locks.hold_advisory_lock(url, NAME):
        pytest.fail("locked nowhere")

    assert "hunter2" not in str(refused.value)
