"""Bad settings, databases, stores and disks: one line that says what to do, points kept."""

import ctypes
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.points import CollectionSpec
from ingestion_pipeline.points import qdrant_store
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.cli.home import KEY, CommandHome, check_refusal
from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer

PASSWORD = "sesame-of-the-database"
API_KEY = "sesame-of-the-store"
NOWHERE = "127.0.0.1:1"
EVERY_COMMAND = [["repositories"], ["sync"], ["track", KEY], ["run", KEY], ["untrack", KEY]]
MAIN = "from ingestion_pipeline.cli.main import main; main()"
# linux/prctl.h and linux/capability.h
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


@pytest.fixture
def indexed(indexed_home: CommandHome) -> Iterator[CommandHome]:
    """The indexed home, whose points must not have moved when the test is over."""
    before = indexed_home.read_points()
    assert len(before) == 8
    yield indexed_home
    assert indexed_home.read_points() == before


@pytest.fixture
def state_file(indexed: CommandHome) -> Iterator[Path]:
    """The state database; what a test does to it is undone."""
    path = indexed.folder / ".data" / "state.db"
    kept = path.read_bytes()
    yield path
    for beside in path.parent.glob("state.db-*"):
        beside.unlink()
    path.write_bytes(kept)


# -- settings


@pytest.mark.parametrize("command", [*EVERY_COMMAND, ["search", "purr"], ["state", "current"]])
def test_a_setting_that_does_not_fit_is_named_and_not_shown(
    indexed: CommandHome, command: list[str]
) -> None:
    bad = {"INGESTION_QDRANT_TIMEOUT_SECONDS": PASSWORD}
    said = indexed.refuse(*command, **bad)
    assert said.startswith("The settings do not fit. INGESTION_QDRANT_TIMEOUT_SECONDS: ")
    assert PASSWORD not in said


def test_a_time_that_is_no_cron_expression(indexed: CommandHome) -> None:
    said = indexed.refuse("sync", KEY, "--force", INGESTION_RECONCILE_CRON="at three")
    assert said.startswith("INGESTION_RECONCILE_CRON is no cron expression. Give five fields")


def test_a_broken_line_in_the_env_file(home: CommandHome) -> None:
    (home.folder / ".env").write_text(f"INGESTION_SENSOR_INTERVAL_SECONDS={PASSWORD}\n")
    said = home.refuse("repositories")
    assert "INGESTION_SENSOR_INTERVAL_SECONDS" in said
    assert PASSWORD not in said


# -- databases


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_a_postgres_that_is_away(indexed: CommandHome, command: list[str]) -> None:
    url = f"postgresql://ada:{PASSWORD}@{NOWHERE}/ingestion"
    said = indexed.refuse(*command, INGESTION_DATABASE_URL=url)
    assert said.startswith(f"Cannot use the state database ingestion at {NOWHERE} (Postgres)")
    assert "See that it is up" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://ada:{PASSWORD}@{NOWHERE}/ingestion", "'mysql' is not supported"),
        (f"postgresql//ada:{PASSWORD}", "postgresql://user:password@host:5432/database"),
        ("sqlite:////tmp/state.db", "unset it for SQLite"),
    ],
)
def test_a_database_url_that_cannot_work(indexed: CommandHome, url: str, said: str) -> None:
    message = indexed.refuse("repositories", INGESTION_DATABASE_URL=url)
    assert said in message
    assert PASSWORD not in message


def test_a_state_file_that_is_no_database(indexed: CommandHome, state_file: Path) -> None:
    state_file.write_bytes(b"these are not the bytes you look for" * 500)
    for command in EVERY_COMMAND:
        said = indexed.refuse(*command)
        assert "file is not a database" in said
        assert "move it away and track the repositories again" in said


def test_a_state_file_that_is_damaged_inside(indexed: CommandHome, state_file: Path) -> None:
    with sqlite3.connect(state_file) as connection:
        [page] = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'tracked_repositories'"
        ).fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(state_file.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    state_file.write_bytes(content)
    said = indexed.refuse("repositories")
    assert "malformed" in said
    assert "Put a backup in its place" in said


def test_a_state_file_of_a_newer_version(indexed: CommandHome, state_file: Path) -> None:
    with sqlite3.connect(state_file) as connection:
        connection.execute("UPDATE ingestion_pipeline_version SET version_num = '9999'")
    connection.close()
    for command in [*EVERY_COMMAND, ["state", "upgrade"]]:
        said = indexed.refuse(*command)
        assert "a newer one migrated it. Upgrade the program" in said


def test_a_dagster_storage_that_is_no_database(home: CommandHome) -> None:
    home.run("repositories")
    [path] = (home.folder / ".dagster").rglob("runs.db")
    path.write_bytes(b"these are not the bytes you look for" * 500)
    said = home.refuse("repositories")
    assert said.startswith("Dagster's storage failed: file is not a database.")
    assert "INGESTION_HOME/.dagster" in said


# -- Qdrant


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real adapter give up at once; its retries have tests of their own."""
    impatient = partial(qdrant_store.QdrantPointStore, attempts=1)
    monkeypatch.setattr(qdrant_store, "QdrantPointStore", impatient)


@pytest.mark.usefixtures("one_attempt")
def test_a_qdrant_that_is_away(indexed: CommandHome) -> None:
    away = {"INGESTION_QDRANT_URL": f"http://{NOWHERE}"}
    assert f"Qdrant at http://{NOWHERE}" in indexed.refuse("search", "purr", **away)
    said = indexed.invoke("sync", KEY, "--force", **away)
    assert said.exit_code == 1
    assert said.stdout.startswith(f"octo/cat: failed: Qdrant at http://{NOWHERE}")
    assert "Look whether it runs" in said.stdout


@pytest.mark.usefixtures("one_attempt")
def test_a_wrong_api_key(indexed: CommandHome, tmp_path: Path) -> None:
    with QdrantRestServer(tmp_path / "qdrant", api_key=API_KEY) as server:
        wrong = {"INGESTION_QDRANT_URL": server.url, "INGESTION_QDRANT_API_KEY": "another-sesame"}
        said = indexed.refuse("search", "purr", **wrong)
        synced = indexed.invoke("sync", KEY, "--force", **wrong)
    assert "Set INGESTION_QDRANT_API_KEY to a key that may read and write" in said
    assert synced.exit_code == 1
    assert "refused the API key (401)" in synced.stdout
    assert "another-sesame" not in said + synced.output


def test_a_collection_of_another_vector_size(indexed: CommandHome, tmp_path: Path) -> None:
    name = Services(Settings(home=tmp_path)).collection.name
    with QdrantRestServer(tmp_path / "qdrant") as server:
        store = qdrant_store.QdrantPointStore(server.url)
        store.ensure_collection(CollectionSpec(name=name, dense_size=4))
        store.close()
        served = {"INGESTION_QDRANT_URL": server.url}
        failed = indexed.invoke("sync", KEY, "--force", **served)
        other = indexed.invoke("sync", KEY, "--force", **served, INGESTION_COLLECTION="elsewhere")
    assert failed.exit_code == 1
    assert name in failed.stdout
    assert "Choose another collection name" in failed.stdout
    assert other.exit_code == 0


# -- disks


def start(
    home: CommandHome,
    *arguments: str,
    before: Callable[[], object] | None = None,
    within: tuple[str, ...] = (),
    **environment: str,
) -> str:
    """Run a command that has to fail in a process of its own, and return its line."""
    done = subprocess.run(
        [*within, sys.executable, "-c", MAIN, *arguments],
        env=home.make_environment(**environment),
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
    )
    return check_refusal(done.returncode, "", done.stderr)


def obey_permissions() -> None:
    """Give up root's right to write where the mode forbids it; others never had it."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="root is held to file modes by prctl(2)")
def test_a_data_folder_that_may_not_be_written(home: CommandHome, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    said = start(
        home, "repositories", before=obey_permissions, INGESTION_DATA_DIR=str(closed / "data")
    )
    assert said.startswith(f"Cannot create {closed}/data for the state database")
    assert "Make its parent folder writable" in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="root is held to file modes by prctl(2)")
def test_data_that_became_read_only(indexed: CommandHome, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    shutil.copytree(indexed.folder / ".data", closed)
    for path in [*closed.rglob("*"), closed]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    options = {"before": obey_permissions, "INGESTION_DATA_DIR": str(closed)}
    assert "Make the file and its folder writable" in start(indexed, "repositories", **options)
    assert "its folder writable" in start(indexed, "search", "purr", **options)
    for path in [closed, *closed.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "said"),
    [("64k", "Free some space, or set INGESTION_DATA_DIR"), ("100m", "embedded point store needs")],
)
def test_a_full_disk(home: CommandHome, tmp_path: Path, size: str, said: str) -> None:
    """A file system of its own, in a user's own name space: no privileges, really full."""
    mount = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    within = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path))
    if shutil.which("unshare") is None or subprocess.run([*within, "true"]).returncode:
        pytest.skip("this machine lets no user mount a tmpfs in a name space of their own")
    small = tmp_path / "small"
    small.mkdir()
    home.add_repository()
    assert said in start(
        home, "run", KEY, within=(*within[:-1], str(small)), INGESTION_DATA_DIR=str(small)
    )


@pytest.mark.slow
def test_files_that_may_not_grow(home: CommandHome) -> None:
    """What a quota does: writing fails half-way, in Dagster's storage first."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    said = start(home, "repositories", before=limit)
    assert said.startswith("Dagster's storage failed: ")
    assert "See that its disk has room" in said
