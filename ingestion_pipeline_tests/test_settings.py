"""Settings: where they come from, what refuses a value, and that secrets stay secret."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from ingestion_pipeline.cli.settings_table import render_settings
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.settings import Settings, find_project_root, load_settings

PROJECT_ROOT = Path(__file__).parents[1]
SECRET = "sesame-that-nobody-may-read"
SIGNING_SECRET = f"whsec_{'a' * 44}"
SECRETS = {
    "read_token": "read-word",
    "admin_token": SECRET,
    "database_url": f"postgresql://ada:{SECRET}@localhost/ingestion",
    "github_token": SECRET,
    "github_webhook_secret": SECRET,
    "qdrant_api_key": SECRET,
    "webhook_signing_secret": f"{SIGNING_SECRET},whsec_{'b' * 44}",
}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty root, and no setting of the developer's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"INGESTION_{name.upper()}", raising=False)
    monkeypatch.setenv("INGESTION_HOME", str(tmp_path))
    return tmp_path


def test_every_field_is_described_in_the_class_and_in_the_docs() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    written = (PROJECT_ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == render_settings(), (
        "run: python -m ingestion_pipeline.cli.settings_table > docs/settings.md"
    )
    for name in Settings.model_fields:
        assert f"| `INGESTION_{name.upper()}` |" in written


def test_every_secret_is_of_the_secret_type(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"INGESTION_{name.upper()}", value)
    settings = load_settings()
    words = ("token", "key", "password", "secret", "database_url")
    suspects = {name for name in Settings.model_fields if any(word in name for word in words)}
    assert suspects == set(SECRETS)
    for name in suspects:
        assert isinstance(getattr(settings, name), SecretStr)


def test_secrets_are_in_no_form_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"INGESTION_{name.upper()}", value)
    settings = load_settings()
    shown = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        json.dumps(settings.model_dump(), default=str),
    ]
    assert not [text for text in shown if SECRET in text or SIGNING_SECRET in text]
    assert settings.github_token is not None
    assert settings.github_token.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qdrant_timeout_seconds", SECRET),
        ("qdrant_timeout_seconds", "0"),
        ("sensor_interval_seconds", "9"),
        ("max_file_kib", "-1"),
        ("github_api_url", f"ftp://{SECRET}"),
        ("qdrant_url", SECRET),
        ("device", SECRET),
        ("collection", f"Code {SECRET}"),
        ("allow_local_repositories", SECRET),
        ("webhook_signing_secret", SECRET),
        ("webhook_signing_secret", f"{SIGNING_SECRET},whsec_{SECRET}"),
        ("webhook_allowed_networks", f"10.0.0.0/8,{SECRET}"),
        ("webhook_allowed_networks", "10.0.0.1/8"),
    ],
)
def test_an_error_names_the_variable_and_never_shows_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"INGESTION_{name.upper()}", value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert f"INGESTION_{name.upper()}: " in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_all_that_does_not_fit_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTION_MAX_FILE_KIB", "many")
    monkeypatch.setenv("INGESTION_DEVICE", "abacus")
    with pytest.raises(ConfigurationError, match=r"(?s)MAX_FILE_KIB: .*INGESTION_DEVICE: "):
        load_settings()


def test_the_env_file_is_read_and_the_environment_beats_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".env").write_text(
        "# a comment\nINGESTION_MAX_FILE_KIB=7\nINGESTION_COLLECTION='docs'\nOTHER_PROGRAM=1\n"
    )
    monkeypatch.setenv("INGESTION_MAX_FILE_KIB", "9")
    settings = load_settings()
    assert (settings.max_file_kib, settings.collection) == (9, "docs")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTION_QDRANT_URL", "")
    monkeypatch.setenv("INGESTION_ALLOWED_HOSTS", "")
    settings = load_settings()
    assert settings.qdrant_url is None
    assert settings.allowed_hosts == ("github.com",)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("github.com", ("github.com",)),
        (" GitHub.com , ghe.example.org:8443,", ("github.com", "ghe.example.org:8443")),
        (",", ()),
    ],
)
def test_allowed_hosts_are_split_at_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, hosts: tuple[str, ...]
) -> None:
    monkeypatch.setenv("INGESTION_ALLOWED_HOSTS", text)
    assert load_settings().allowed_hosts == hosts


def test_allowed_networks_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTION_WEBHOOK_ALLOWED_NETWORKS", " 10.0.0.0/8, fd00::/8,192.0.2.1 ")
    found = [str(network) for network in load_settings().webhook_allowed_networks]
    assert found == ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]


def test_the_root_is_the_nearest_dagster_yaml_upwards(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INGESTION_HOME")
    below = root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_project_root() == below
    (root / "dagster.yaml").write_text("")
    assert find_project_root() == root
    (root / ".env").write_text("INGESTION_COLLECTION=docs\n")
    assert load_settings().collection == "docs"
    assert load_settings().data_path == root / ".data"


def test_the_data_folder_may_lie_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTION_DATA_DIR", str(root / "big" / "disk"))
    settings = load_settings()
    assert settings.data_path == root / "big" / "disk"
    assert settings.state_url == f"sqlite:///{root}/big/disk/state.db"


def test_nothing_is_read_at_import(root: Path) -> None:
    """A broken variable is no reason to fail until somebody asks for the settings."""
    code = (
        "import ingestion_pipeline.cli.main, ingestion_pipeline.composition\n"
        "from ingestion_pipeline.orchestration import build, resources, storage\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"INGESTION_DEVICE": "abacus", "INGESTION_HOME": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(root.iterdir())
