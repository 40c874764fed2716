"""A Postgres server of the tests' own, from the machine's binaries, on a free loopback port.

``from ingestion_pipeline_tests.postgres import postgres_server`` in a ``conftest.py`` makes the
session-scoped fixture known; tests that use it carry the marker ``postgres``.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest

START_SECONDS = 60
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "32MB",
}


@cache
def find_postgres_binaries() -> Path | None:
    """Return the folder with ``initdb`` and ``postgres``, the newest one, or None."""
    on_path = shutil.which("initdb")
    packaged = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(packaged, key=lambda folder: float(folder.parent.name), reverse=True)
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *newest_first]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def find_free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PostgresServer:
    """One cluster in a temporary folder; connections over TCP need the password.

    Postgres refuses to run as root, so for root it runs as the user ``postgres``.

    Args:
        binaries: Folder with ``initdb`` and ``postgres``.
        is_durable: Whether a commit waits for the disk, as in production; tests need not.
    """

    user = "tester"

    def __init__(self, binaries: Path, *, is_durable: bool = False) -> None:
        self._binaries = binaries
        self._settings = _SETTINGS if is_durable else {**_SETTINGS, **_NOT_DURABLE}
        # Not under pytest's own folder: a socket's path may have 107 bytes, and its user must
        # be able to walk there.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._process: subprocess.Popen[Any] | None = None
        self._numbers = count(1)
        self.password = secrets.token_urlsafe(12)
        self.port = 0

    def start(self) -> None:
        """Make the cluster and start it; returns when it answers."""
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self._folder, password_file):
                shutil.chown(path, "postgres", "postgres")
        self._run_initdb(password_file)
        self._start_process()

    def stop(self) -> None:
        """Stop the server at once and remove its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=START_SECONDS)
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """Break every connection, then come back on the same port with the same data."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=START_SECONDS)
        self._start_process(self.port)

    def make_url(self, database: str, password: str | None = None) -> str:
        """Return the URL of a database, without naming a driver."""
        secret = self.password if password is None else password
        return f"postgresql://{self.user}:{secret}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.make_url(name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction."""
        connection = psycopg2.connect(self.make_url(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    @property
    def _account(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        return {"user": "postgres", "group": "postgres", "extra_groups": []}

    def _run_initdb(self, password_file: Path) -> None:
        command = [
            str(self._binaries / "initdb"),
            *("--pgdata", str(self._folder / "data"), "--username", self.user),
            *("--auth", "scram-sha-256", "--pwfile", str(password_file)),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ]
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, check=False, **self._account
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start_process(self, port: int | None = None) -> None:
        # Another process may take a free port before Postgres does: then the next one.
        for _ in range(3):
            self.port = port or find_free_port()
            settings = {**self._settings, "unix_socket_directories": str(self._folder)}
            options = [f"-c{name}={value}" for name, value in settings.items()]
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        str(self._binaries / "postgres"),
                        *("-D", str(self._folder / "data"), "-p", str(self.port), *options),
                    ],
                    cwd=self._folder,
                    stdout=log,
                    stderr=log,
                    **self._account,
                )
            if self._wait_until_up():
                return
        raise RuntimeError((self._folder / "log").read_text())

    def _wait_until_up(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg2.connect(self.make_url("postgres")).close()
            except psycopg2.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, shared by the tests of one session."""
    binaries = find_postgres_binaries()
    if binaries is None:
        pytest.skip("Postgres' programs are not here; on Debian: apt-get install postgresql")
    server = PostgresServer(binaries)
    try:
        server.start()
        yield server
    finally:
        server.stop()
