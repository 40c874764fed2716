"""What only real databases can get wrong: atomicity, size, concurrency, lost connections."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from ingestion_pipeline.core.errors import ConfigurationError, TransientError
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.core.state import SyncStatus
from ingestion_pipeline.state import documents, open_state_store
from ingestion_pipeline.state import engine as engine_module
from ingestion_pipeline.state.database_url import parse_database_url
from ingestion_pipeline.state.engine import begin_transaction, make_engine
from ingestion_pipeline.state.store import SqlStateStore
from ingestion_pipeline_tests.postgres import PostgresServer
from ingestion_pipeline_tests.state.samples import (
    make_branch,
    make_document,
    make_repository,
    make_source,
    make_sync,
)

REFUSE_THE_LAST = {
    "sqlite": """
        CREATE TRIGGER refuse BEFORE INSERT ON document_states WHEN NEW.document_id = 'last'
        BEGIN SELECT RAISE(ABORT, 'refused'); END
        """,
    "postgresql": """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON document_states FOR EACH ROW
        WHEN (NEW.document_id = 'last') EXECUTE FUNCTION refuse()
        """,
}


def test_documents_are_committed_whole_or_not_at_all(sql_store: SqlStateStore) -> None:
    before = [make_document(f"{number}.py") for number in range(1_500)]
    sql_store.commit_documents(make_source(), "main", before, [])
    with begin_transaction(sql_store._engine, writes=True) as connection:
        connection.execute(text(REFUSE_THE_LAST[connection.dialect.name]))
    changed = [make_document(f"{number}.py", points=7) for number in range(750, 3_000)]

    with pytest.raises(DBAPIError, match="refused"):
        sql_store.commit_documents(
            make_source(),
            "main",
            [*changed, make_document("last")],
            [f"{number}.py" for number in range(750)],
        )

    assert sql_store.list_documents(make_source(), "main") == {d.document_id: d for d in before}
    assert sql_store.count_points(make_source()) == 1_500


def test_forgetting_is_whole_or_not_at_all(sql_store: SqlStateStore) -> None:
    sql_store.save_repository(make_repository())
    sql_store.commit_documents(make_source(), "main", [make_document("a")], [])
    sql_store.commit_branch(make_source(), make_branch())

    def fail(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("DELETE FROM tracked_repositories"):
            raise KeyboardInterrupt

    event.listen(sql_store._engine, "before_cursor_execute", fail)
    with pytest.raises(KeyboardInterrupt):
        sql_store.forget_source(make_source())
    event.remove(sql_store._engine, "before_cursor_execute", fail)

    assert sql_store.find_source(make_source()) == make_repository()
    assert sql_store.count_points(make_source()) == 2


def test_tens_of_thousands_of_documents(sql_store: SqlStateStore) -> None:
    rows = {f"src/{n}.py": make_document(f"src/{n}.py", points=2) for n in range(20_000)}
    gone = [name for name in rows if name.endswith("7.py")]

    sql_store.commit_documents(make_source(), "main", list(rows.values()), [])
    sql_store.commit_documents(make_source(), "main", [], gone)

    kept = {name: row for name, row in rows.items() if name not in set(gone)}
    assert sql_store.list_documents(make_source(), "main") == kept
    assert sql_store.count_points(make_source()) == 2 * len(kept) == 36_000


def test_heads_take_one_query_however_many_sources(sql_store: SqlStateStore) -> None:
    for number in range(30):
        sql_store.commit_branch(make_source(number), make_branch())
    statements: list[str] = []

    @event.listens_for(sql_store._engine, "before_cursor_execute")
    def remember(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    assert len(sql_store.list_heads()) == 30
    assert len([s for s in statements if s.startswith("SELECT")]) == 1


def test_counting_does_not_read_the_points(sql_store: SqlStateStore) -> None:
    sql_store.commit_documents(make_source(), "main", [make_document("a", points=5)], [])
    with begin_transaction(sql_store._engine, writes=True) as connection:
        connection.execute(text("UPDATE document_states SET points = '{}'"))

    assert sql_store.count_points(make_source(), "main") == 5


def test_a_path_may_be_longer_than_an_index_entry(sql_store: SqlStateStore) -> None:
    # Varied characters, because Postgres compresses before it measures.
    long = "/".join(f"{number * 7919:x}" for number in range(20_000))
    rows = {name: make_document(name) for name in (long, f"{long}!")}

    sql_store.commit_documents(make_source(), "main", list(rows.values()), [])
    assert sql_store.list_documents(make_source(), "main") == rows

    sql_store.commit_documents(make_source(), "main", [], [long])
    assert list(sql_store.list_documents(make_source(), "main")) == [f"{long}!"]


def test_messages_that_no_database_takes_are_escaped(sql_store: SqlStateStore) -> None:
    message = "fatal: \udcff\x00 “é”"
    sql_store.save_repository(make_repository())
    sql_store.set_status(make_source(), RepositoryStatus.NOT_FOUND, message)
    sql_store.record_sync(make_sync("run", status=SyncStatus.FAILED, error=message))
    sql_store.commit_documents(make_source(), "main", [make_document("a", 0, error=message)], [])

    shown = "fatal: \\udcff\\x00 “é”"
    row = sql_store.find_source(make_source())
    assert row is not None
    assert row.status_detail == shown
    assert sql_store.list_syncs()[0].error == shown
    assert sql_store.list_documents(make_source(), "main")["a"].error == shown


def test_many_writers_and_readers_wait_for_each_other(empty_url: str) -> None:
    stores = [open_state_store(empty_url) for _ in range(4)]
    start = threading.Barrier(4)

    def work(number: int) -> None:
        store, source = stores[number], make_source(number)
        start.wait(timeout=30)
        for turn in range(25):
            rows = [make_document(f"{turn}/{index}") for index in range(20)]
            store.commit_documents(source, "main", rows, [])
            store.save_repository(make_repository(number, f"a/{number}"))
            store.record_sync(make_sync(f"{number}/{turn}"))
            assert store.count_points(source) == 20 * (turn + 1)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result()
    assert [stores[0].count_points(make_source(n)) for n in range(4)] == [500] * 4
    assert len(stores[0].list_syncs(limit=1_000)) == 100
    for store in stores:
        store.close()


def test_of_many_sources_one_gets_a_key(empty_url: str) -> None:
    stores = [open_state_store(empty_url) for _ in range(6)]
    start = threading.Barrier(6)

    def track(number: int) -> bool:
        start.wait(timeout=30)
        try:
            stores[number].save_repository(make_repository(number))
        except ConfigurationError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number, won in enumerate(pool.map(track, range(6))) if won]

    assert stores[0].list_repositories(include_untracked=True) == [make_repository(winners[0])]
    assert len(winners) == 1
    for store in stores:
        store.close()


def test_a_store_may_be_used_by_many_threads(sql_store: SqlStateStore) -> None:
    def track(number: int) -> None:
        sql_store.save_repository(make_repository(number, f"a/{number:02}"))
        assert sql_store.find_repository(f"a/{number:02}") is not None

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(track, range(48)))

    keys = [repository.partition_key for repository in sql_store.list_repositories()]
    assert keys == [f"a/{number:02}" for number in range(48)]


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    store = open_state_store(f"sqlite:///{tmp_path / 'state.db'}")
    store.save_repository(make_repository())

    with begin_transaction(store._engine, writes=True) as connection:
        connection.execute(text("DELETE FROM tracked_repositories"))
        assert store.list_repositories() == [make_repository()]

    assert store.list_repositories() == []
    store.close()


def test_a_sqlite_file_that_stays_locked_is_a_passing_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SQLITE_BUSY_TIMEOUT_SECONDS", 0)
    path = tmp_path / "state.db"
    store = open_state_store(f"sqlite:///{path}")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(TransientError, match=r"state\.db .*locked"):
        store.save_repository(make_repository())
    holder.execute("ROLLBACK")
    store.save_repository(make_repository())

    assert store.list_repositories() == [make_repository()]
    holder.close()
    store.close()


def test_running_out_of_connections_is_a_passing_trouble(tmp_path: Path) -> None:
    url = parse_database_url(f"sqlite:///{tmp_path / 'state.db'}")
    engine = make_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)

    with begin_transaction(engine, writes=False), pytest.raises(TransientError, match="try again"):
        SqlStateStore(engine).list_repositories()

    engine.dispose()


@pytest.mark.postgres
def test_a_connection_lost_half_way_changes_nothing(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    database = url.rpartition("/")[2]
    store = open_state_store(url)
    store.commit_documents(make_source(), "main", [make_document("a")], [])

    terminate = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )

    def commit_and_be_cut_off() -> None:
        source = make_source()
        with begin_transaction(store._engine, writes=True) as connection:
            documents.commit_documents(connection, source, "main", [make_document("b")], ["a"])
            postgres_server.execute(terminate)
            documents.commit_documents(connection, source, "main", [make_document("c")], [])

    with pytest.raises(TransientError, match=database) as lost:
        commit_and_be_cut_off()

    assert postgres_server.password not in str(lost.value)
    assert list(store.list_documents(make_source(), "main")) == ["a"]
    store.close()


@pytest.mark.postgres
def test_pooled_connections_that_died_are_replaced(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    store = open_state_store(url)
    store.save_repository(make_repository())

    postgres_server.restart()

    assert store.list_repositories() == [make_repository()]
    with store.lock_source("pallets/flask"):
        store.save_repository(replace(make_repository(), pushed_at_seen="x"))
    store.close()


def test_every_commit_to_sqlite_outlives_a_power_cut(tmp_path: Path) -> None:
    engine = make_engine(parse_database_url(f"sqlite:///{tmp_path / 'state.db'}"))
    with begin_transaction(engine, writes=False) as connection:
        full = 2  # https://www.sqlite.org/pragma.html#pragma_synchronous
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == full
    engine.dispose()
