"""Every setting of the project, in one class.

Read from the environment (prefix ``INGESTION_``) and from ``.env`` in the project's root, when an
object is made and never at import. Secrets are ``SecretStr``: they print as asterisks.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AliasChoices,
    AnyHttpUrl,
    Field,
    IPvAnyNetwork,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.notify.signing import parse_signing_secrets

MEBIBYTE = 1024 * 1024


def find_project_root() -> Path:
    """Return the folder that holds ``.data``, ``.dagster`` and ``.env``.

    ``INGESTION_HOME`` when it is set, else the nearest folder at or above the working directory
    with a ``dagster.yaml``, else the working directory. Dagster starts code servers and runs with
    the working directory of the command, so every process of one project agrees.
    """
    configured = os.environ.get("INGESTION_HOME")
    if configured:
        return Path(configured).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dagster.yaml").is_file():
            return folder
    return here


class Settings(BaseSettings):
    """What can be set; each field is the variable ``INGESTION_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix="INGESTION_",
        env_ignore_empty=True,
        extra="ignore",
        validate_default=True,
        populate_by_name=True,
    )

    home: Path = Field(
        default_factory=find_project_root,
        description="Project root: .data, .dagster and .env live here.",
    )
    data_dir: Path = Field(
        default=Path(".data"),
        description="Mirrors, embedded points, state and work files; relative to the root.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description=(
            "postgresql://… for both the state and Dagster's own storage. "
            "Unset: SQLite files in .data and .dagster."
        ),
    )

    github_token: SecretStr | None = Field(
        default=None, description="GitHub token; public repositories work without one, slower."
    )
    github_api_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://api.github.com"),
        description="REST base URL; GitHub Enterprise: https://HOST/api/v3.",
    )
    github_webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the push webhook; unset, `serve` refuses webhooks.",
    )
    github_timeout_seconds: float = Field(
        default=15, gt=0, le=300, description="Time limit of one call to GitHub."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("github.com",),
        description="Hosts that repositories may be cloned from, separated by commas.",
    )
    allow_local_repositories: bool = Field(
        default=True, description="Whether `track --path` may add repositories of this machine."
    )

    clone_timeout_seconds: float = Field(
        default=900, gt=0, description="Time limit of one git fetch."
    )
    max_repository_mib: int = Field(
        default=4096, gt=0, description="A mirror larger than this is refused."
    )
    max_file_kib: int = Field(
        default=1024, gt=0, description="Files larger than this are listed as skipped."
    )

    max_vanished_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A sync stops when more of a branch's files than this are gone at once.",
    )
    parse_workers: int | None = Field(
        default=None, gt=0, description="Parser processes of one run. Unset: one a CPU core."
    )
    cache_mib: int = Field(
        default=4096,
        gt=0,
        description="Room on disk for parsed files and their vectors; the least used go first.",
    )
    purge_after_hours: float = Field(
        default=24, ge=0, description="How long the points of an untracked repository are kept."
    )

    qdrant_url: str | None = Field(
        default=None,
        description="Qdrant server or cluster. Unset: Qdrant Edge, embedded, in .data/qdrant.",
    )
    qdrant_api_key: SecretStr | None = Field(default=None, description="Qdrant API key.")
    qdrant_timeout_seconds: float = Field(
        default=60, ge=1, description="Time limit of one call to Qdrant."
    )
    qdrant_shard_number: int | None = Field(
        default=None, gt=0, description="Shards of a new collection (server only)."
    )
    qdrant_replication_factor: int | None = Field(
        default=None, gt=0, description="Replicas of each shard of a new collection (server only)."
    )
    edge_lock_timeout_seconds: float = Field(
        default=600, gt=0, description="How long to wait for the embedded store's lock."
    )
    collection: str = Field(
        default="code",
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description=(
            "First part of the collections' names, the encoder version follows; alone, the alias "
            "that searches ask."
        ),
    )

    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where the encoder runs: auto, cpu, cuda or cuda:N.",
    )

    max_queued_jobs: int = Field(
        default=10, gt=0, description="Most syncs asked for over HTTP that may wait at a time."
    )
    job_ttl_seconds: float = Field(
        default=24 * 3600,
        gt=0,
        description="A sync asked for over HTTP that waited longer is skipped.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("INGESTION_ADMIN_TOKEN", "PHAROS_ADMIN_TOKEN"),
        description=(
            "Bearer token of HTTP requests that change something; two separated by a comma while "
            "one replaces the other. `PHAROS_ADMIN_TOKEN` is read too."
        ),
    )

    read_token: SecretStr | None = Field(
        default=None,
        description=(
            "Bearer token of HTTP requests that read; unset, reading is open. It changes nothing, "
            "and `admin_token` reads, too. Two as there."
        ),
    )

    sensor_interval_seconds: int = Field(
        default=30, ge=10, description="Least time between two ticks of the freshness sensor."
    )
    poll_min_seconds: float = Field(
        default=45, ge=1, description="A repository is asked about no sooner than after this time."
    )
    poll_max_seconds: float = Field(
        default=8 * 3600,
        ge=1,
        description=(
            "… and no later than after this one; in between, after half the time since its last "
            "push. A webhook makes it at once."
        ),
    )
    sensor_max_runs_per_tick: int = Field(
        default=50, gt=0, le=500, description="Most runs one tick asks for."
    )
    sensor_max_repositories_per_tick: int = Field(
        default=2000,
        gt=0,
        description="Most repositories one tick asks the host about; the others come next.",
    )
    reconcile_cron: str = Field(
        default="0 3 * * *",
        description="When the nightly reconciliation runs (cron, UTC).",
    )

    webhook_signing_secret: SecretStr | None = Field(
        default=None,
        description=(
            "Signs the webhooks that tell of jobs: whsec_ and base64 of 24 to 64 bytes. While it "
            "is replaced, the old and the new one, separated by a comma. Unset: a job that asks "
            "for a webhook is refused."
        ),
    )
    webhook_allowed_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        default=(),
        description=(
            "Networks, as 10.1.0.0/16, that webhooks may be sent to though they are not public, "
            "separated by commas."
        ),
    )

    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description=(
            "Told of every run that fails, by a signed webhook that `serve` sends. Unset: nobody."
        ),
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How `serve` writes its log: lines of text, or of JSON."
    )

    @field_validator("webhook_signing_secret")
    @classmethod
    def _check_signing_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_signing_secrets(value.get_secret_value())
        return value

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator("qdrant_url")
    @classmethod
    def _check_qdrant_url(cls, value: str | None) -> str | None:
        """Check and keep as written: a parsed URL loses a port that is its scheme's default.

        qdrant-client takes a URL without a port for one with 6333.
        """
        if value is not None:
            TypeAdapter(AnyHttpUrl).validate_python(value)
        return value

    @property
    def data_path(self) -> Path:
        """``data_dir`` as an absolute path."""
        return (self.home / self.data_dir).resolve()

    @property
    def encoders_path(self) -> Path:
        """The folder of encoders that were trained here."""
        return self.data_path / "encoders"

    @property
    def state_url(self) -> str:
        """Database URL of the state store; holds the password, so never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_path / 'state.db'}"


def load_settings() -> Settings:
    """Read the settings from the environment and the root's ``.env``.

    Raises:
        ConfigurationError: A variable has a value that does not fit; the message names it and
            never shows a value.
    """
    try:
        return Settings(_env_file=find_project_root() / ".env")  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        problems = "; ".join(
            f"INGESTION_{str(item['loc'][0]).upper()}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"The settings do not fit. {problems}.") from None
