"""Where Dagster keeps its own records: SQLite in ``.dagster``, or Postgres by one variable.

``dagster.yaml`` cannot branch on the environment for ``storage:``, its ``custom`` hook can. The
paths hang on the project's root and not on the working directory, so every process finds the same
files without ``DAGSTER_HOME``.
"""

from pathlib import Path
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.orchestration.event_files import CopyingSqliteStorage
from ingestion_pipeline.settings import load_settings
from ingestion_pipeline.state.database_url import is_sqlite, parse_database_url
from ingestion_pipeline.state.engine import make_engine
from ingestion_pipeline.state.revision import read_revision

DAGSTER_FOLDER = ".dagster"


class SettingsStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite, or in the Postgres of ``INGESTION_DATABASE_URL``."""

    @classmethod
    def config_type(cls) -> Any:
        """No configuration of its own."""
        return {}

    @classmethod
    def from_config_value(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, inst_data: ConfigurableClassData, config_value: Any
    ) -> DagsterStorage:
        """Open the storage that the settings name."""
        del config_value
        settings = load_settings()
        if settings.database_url is None:
            return CopyingSqliteStorage.from_local(_folder("storage"), inst_data=inst_data)
        return _open_postgres(settings.database_url.get_secret_value(), inst_data)


class ProjectArtifactStorage(LocalArtifactStorage):
    """Op outputs under the project's root."""

    @classmethod
    def config_type(cls) -> Any:
        """No configuration of its own."""
        return {}

    @classmethod
    def from_config_value(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> LocalArtifactStorage:
        """Open the folder."""
        del config_value
        return cls(base_dir=_folder(""), inst_data=inst_data)


class ProjectComputeLogManager(LocalComputeLogManager):
    """Captured stdout and stderr under the project's root."""

    @classmethod
    def config_type(cls) -> Any:
        """No configuration of its own."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> LocalComputeLogManager:
        """Open the folder."""
        del config_value
        return cls(base_dir=_folder("compute_logs"), inst_data=inst_data)


def _folder(name: str) -> str:
    folder: Path = load_settings().home / DAGSTER_FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _open_postgres(url: str, inst_data: ConfigurableClassData) -> DagsterStorage:
    from dagster_postgres import DagsterPostgresStorage

    parsed = parse_database_url(url)
    if is_sqlite(parsed):
        raise ConfigurationError(
            "INGESTION_DATABASE_URL takes postgresql://…; unset it for SQLite files in the root."
        )
    engine = make_engine(parsed)
    try:
        read_revision(engine)  # what is wrong with the database in words, before Dagster's retries
    finally:
        engine.dispose()
    url = parsed.render_as_string(hide_password=False)
    storage = DagsterPostgresStorage(postgres_url=url, inst_data=inst_data)
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        # Without it every call opens a connection of its own (8-10 ms each).
        part.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
    return storage
