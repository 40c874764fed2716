"""Files of Dagster's event log on SQLite: one a run, made by copying an empty one.

Dagster builds each file anew: some thirty statements, each a transaction of its own, 90 waits for
the disk, while whoever asked for the run waits. A copy waits once.
"""

import os
import tempfile
import uuid
from functools import cached_property
from pathlib import Path

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Engine, NullPool, create_engine


class CopiedEventLogStorage(SqliteEventLogStorage):
    """Dagster's event log, with the same files."""

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        path = Path(str(engine.url.database))
        if for_index_shard or path.exists() or not self._place_copy(path):
            super()._initdb(engine, for_index_shard)

    def _place_copy(self, path: Path) -> bool:
        """Put a whole, empty file in place; return whether that went well."""
        copy = path.with_name(f"{path.stem}-{uuid.uuid4().hex}.new")  # seen by nobody
        try:
            with copy.open("xb") as file:
                file.write(self._empty_file)
                file.flush()
                os.fsync(file.fileno())
            return _link(path, copy)
        finally:
            copy.unlink(missing_ok=True)

    @cached_property
    def _empty_file(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "empty.db")
            # Without a pool the file is closed, and so whole, when it is read.
            super()._initdb(create_engine(f"sqlite:///{path}", poolclass=NullPool))
            return path.read_bytes()


class CopyingSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with this event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        folder = Path(base_dir, "history", "runs")
        self._event_log_storage = CopiedEventLogStorage(str(folder))


def _link(path: Path, copy: Path) -> bool:
    """Give a file its name in one step, so that nobody opens half of it or replaces another's."""
    try:
        path.hardlink_to(copy)
    except OSError:  # somebody else's is there, or the file system has no links
        return False
    return True
