"""Which URLs are taken, and that no message shows a password."""

from pathlib import Path

import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.state.database_url import (
    describe_database,
    parse_database_url,
    remove_secrets,
)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_postgres_takes_the_installed_driver(scheme: str) -> None:
    url = parse_database_url(f"{scheme}://me:p%40ss@db:5433/state?sslmode=require")

    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://me:p%40ss@db:5433/state?sslmode=require"
    )


def test_a_relative_sqlite_path_does_not_follow_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert parse_database_url("sqlite:///data/state.db").database == str(tmp_path / "data/state.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "state.db",
        "mysql://me:hunter2@db/state",
        "postgresql+psycopg://me:hunter2@db/state",
        "postgresql://me@db:hunter2/state",
        "hunter2 is the password",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:hunter2?uri=true",
    ],
)
def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_database_url(url)

    assert "sqlite:////absolute/path" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hunter2@db:5433/state", "state at db:5433 (Postgres)"),
        ("postgresql://me:x@db/state?password=hunter2", "state at db (Postgres)"),
        ("postgresql:///state?host=/run/pg", "state at the local socket (Postgres)"),
        ("sqlite:////var/lib/state.db", "/var/lib/state.db (SQLite)"),
    ],
)
def test_a_database_is_described_without_its_password(url: str, shown: str) -> None:
    assert describe_database(parse_database_url(url)) == shown


def test_passwords_are_removed_from_what_a_driver_says() -> None:
    url = parse_database_url("postgresql://me:hunter%402@db/state?password=swordfish")

    assert remove_secrets("no hunter@2, no swordfish\n", url) == "no ***, no ***"
