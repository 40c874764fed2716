"""Migrations: up, down, side by side, and what goes wrong."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import ExceptionContext

from ingestion_pipeline.core.errors import ConfigurationError, TransientError
from ingestion_pipeline.core.state import DocumentState
from ingestion_pipeline.state import engine as engine_module
from ingestion_pipeline.state import open_state_store
from ingestion_pipeline.state.database_url import parse_database_url
from ingestion_pipeline.state.engine import begin_transaction, make_engine
from ingestion_pipeline.state.migrate import (
    check_state,
    create_sqlite_folder,
    downgrade_state,
    get_current_revision,
    list_revisions,
    upgrade_state,
)
from ingestion_pipeline.state.revision import HEAD_REVISION, read_revision
from ingestion_pipeline.state.rows import document_key
from ingestion_pipeline.state.tables import metadata
from ingestion_pipeline_tests.postgres import PostgresServer
from ingestion_pipeline_tests.state.child import read_line, say_go, start_child
from ingestion_pipeline_tests.state.samples import make_repository, make_source


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    engine = make_engine(parse_database_url(url))
    try:
        with begin_transaction(engine, writes=True) as connection:
            yield connection
    finally:
        engine.dispose()


def list_tables(url: str) -> set[str]:
    with connect(url) as connection:
        return set(inspect(connection).get_table_names())


def test_the_newest_migration_is_the_head_that_opening_looks_for() -> None:
    assert list_revisions()[0] == HEAD_REVISION


def test_migrations_make_the_tables(empty_url: str) -> None:
    assert get_current_revision(empty_url) is None

    upgrade_state(empty_url)

    assert get_current_revision(empty_url) == HEAD_REVISION
    assert check_state(empty_url) == []


def test_up_down_and_up_again(empty_url: str) -> None:
    for _ in range(2):
        upgrade_state(empty_url)
        assert set(metadata.tables) <= list_tables(empty_url)
        downgrade_state(empty_url, "base")
        assert list_tables(empty_url) == {"ingestion_pipeline_version"}
        assert get_current_revision(empty_url) is None

    store = open_state_store(empty_url)
    store.save_repository(make_repository())
    assert store.list_repositories() == [make_repository()]
    store.close()


def test_a_difference_between_tables_and_database_is_found(empty_url: str) -> None:
    upgrade_state(empty_url)
    with connect(empty_url) as connection:
        connection.execute(text("DROP INDEX uq_tracked_repositories_partition_key"))
        connection.execute(text("ALTER TABLE document_states ADD COLUMN stray TEXT"))

    differences = check_state(empty_url)

    assert any("uq_tracked_repositories_partition_key" in found for found in differences)
    assert any("stray" in found for found in differences)


def test_tables_of_others_are_left_alone(empty_url: str) -> None:
    with connect(empty_url) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of dagster')"))
        connection.execute(text("CREATE TABLE runs (id INTEGER PRIMARY KEY, run_id TEXT)"))
        connection.execute(text("CREATE INDEX idx_runs ON runs (run_id)"))

    upgrade_state(empty_url)
    assert check_state(empty_url) == []
    downgrade_state(empty_url, "base")

    assert {"alembic_version", "runs"} < list_tables(empty_url)
    with connect(empty_url) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "of dagster"


def test_a_failing_migration_leaves_nothing_behind(empty_url: str) -> None:
    with connect(empty_url) as connection:
        connection.execute(text("CREATE TABLE ingestion_history (in_the_way INTEGER)"))

    with pytest.raises(Exception, match="already exists"):
        upgrade_state(empty_url)

    assert get_current_revision(empty_url) is None
    assert list_tables(empty_url) == {"ingestion_history"}


def test_a_database_of_a_newer_program_is_refused(empty_url: str) -> None:
    open_state_store(empty_url).close()
    with connect(empty_url) as connection:
        connection.execute(text("UPDATE ingestion_pipeline_version SET version_num = '9999'"))

    for use in (open_state_store, upgrade_state, lambda url: downgrade_state(url, "base")):
        with pytest.raises(ConfigurationError, match=r"'9999'.*Upgrade the program"):
            use(empty_url)
    assert get_current_revision(empty_url) == "9999"


def test_an_unknown_target_names_the_known_ones(empty_url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'nonsense'.*{HEAD_REVISION}"):
        upgrade_state(empty_url, "nonsense")


_OF_0001 = """
INSERT INTO document_states (source_kind, source_id, branch, document_key, document_id,
    content_hash, point_count, error, points)
VALUES ('github', '1', 'main', :key, 'a.py', 'cafe', 1, '', '{"id": "hash"}');
INSERT INTO tracked_repositories (source_kind, source_id, partition_key, node_id, full_name,
    clone_url, web_url, default_branch, status, status_detail, branches, former_keys)
VALUES ('github', '1', 'a/b', '', 'a/b', '', '', 'main', 'active', '', '[]', '[]');
INSERT INTO ingestion_history (run_id, partition_key, status, started_at, duration_seconds, files,
    points_added, points_changed, points_deleted, error)
VALUES ('run', 'a/b', 'complete', '2026-01-31 12:00:00', 1, 1, 1, 0, 0, '')
"""


def test_rows_of_the_first_revision_are_kept(empty_url: str) -> None:
    upgrade_state(empty_url, "0001")
    with connect(empty_url) as connection:
        for statement in _OF_0001.split(";"):
            values = {"key": document_key("a.py")} if ":key" in statement else {}
            connection.execute(text(statement), values)

    store = open_state_store(empty_url)

    document = DocumentState("a.py", "cafe", {"id": "hash"})
    source = make_source()
    assert store.list_documents(source, "main") == {"a.py": document}
    assert store.read_documents(source, "main", ["a.py"]) == {"a.py": document}
    assert list(store.iterate_document_vectors(source, "main")) == [("a.py", b"")]
    assert [row.ignore_patterns for row in store.list_repositories()] == [()]
    assert [(s.files_parsed, s.points_embedded) for s in store.list_syncs()] == [(0, 0)]
    store.close()
    downgrade_state(empty_url, "0001")
    with connect(empty_url) as connection:
        assert connection.scalar(text("SELECT count(*) FROM document_states")) == 1


def test_a_version_table_made_between_the_two_looks_is_seen(empty_url: str) -> None:
    """Another process migrates after the SELECT failed and before the table is looked for."""
    create_sqlite_folder(parse_database_url(empty_url))
    engine = make_engine(parse_database_url(empty_url))
    failures: list[str] = []

    @event.listens_for(engine, "handle_error")
    def _migrate_elsewhere(context: ExceptionContext) -> None:
        failures.append(str(context.original_exception))
        upgrade_state(empty_url)

    try:
        assert read_revision(engine) == HEAD_REVISION
    finally:
        engine.dispose()
    assert len(failures) == 1
    assert "ingestion_pipeline_version" in failures[0]


@pytest.mark.slow
def test_processes_that_open_at_the_same_moment_all_succeed(empty_url: str) -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(start_child("open_store", empty_url)) for _ in range(4)]
        for child in children:
            say_go(child)

        assert [read_line(child) for child in children] == [HEAD_REVISION] * 4
        assert [child.wait(timeout=60) for child in children] == [0] * 4

    assert check_state(empty_url) == []


def test_opening_creates_folders_and_keeps_data(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a' / 'b %20 c' / 'state.db'}"
    store = open_state_store(url)
    store.save_repository(make_repository())
    store.close()

    again = open_state_store(url)

    assert again.list_repositories() == [make_repository()]
    again.close()


def test_opening_a_database_at_head_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SQLITE_BUSY_TIMEOUT_SECONDS", 0)
    path = tmp_path / "state.db"
    open_state_store(f"sqlite:///{path}").close()
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    store = open_state_store(f"sqlite:///{path}")

    assert store.list_repositories() == []
    store.close()
    writer.close()


def test_asking_for_the_revision_creates_no_file(tmp_path: Path) -> None:
    assert get_current_revision(f"sqlite:///{tmp_path / 'state.db'}") is None
    assert list(tmp_path.iterdir()) == []


def test_a_sqlite_database_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_state_store(f"sqlite:///{path}").close()

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def _use_text_file(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("no database, but long enough to have a header " * 9)
    return path


def _use_folder(folder: Path) -> Path:
    return folder


def _use_file_as_folder(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "state.db"


@pytest.mark.parametrize("make_path", [_use_text_file, _use_folder, _use_file_as_folder])
def test_a_path_that_cannot_be_a_database_is_explained(
    make_path: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = make_path(tmp_path)

    with pytest.raises(ConfigurationError, match=r"writ(e|able|ten)") as refused:
        open_state_store(f"sqlite:///{path}")

    assert str(tmp_path) in str(refused.value)


@pytest.mark.postgres
def test_a_wrong_password_is_explained_and_not_shown(postgres_server: PostgresServer) -> None:
    for use in (open_state_store, get_current_revision, upgrade_state, check_state):
        with pytest.raises(ConfigurationError, match="password authentication failed") as refused:
            use(postgres_server.make_url("postgres", password="hunter2"))

        assert "hunter2" not in str(refused.value)
        assert refused.value.__suppress_context__


@pytest.mark.postgres
def test_a_database_that_is_missing_is_explained(postgres_server: PostgresServer) -> None:
    with pytest.raises(ConfigurationError, match=r'"nowhere" does not exist') as refused:
        open_state_store(postgres_server.make_url("nowhere"))

    assert postgres_server.password not in str(refused.value)


def test_a_server_that_is_down_is_explained(free_port: int) -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port}/state"

    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{free_port}") as refused:
        open_state_store(url)

    assert "hunter2" not in str(refused.value)


def test_a_database_that_stays_locked_is_a_passing_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SQLITE_BUSY_TIMEOUT_SECONDS", 0)
    path = tmp_path / "state.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE other (id INTEGER)")
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(TransientError, match="locked"):
        open_state_store(f"sqlite:///{path}")

    holder.close()
